/** The commands of a block of shell, as far as pages use the shell. */

/** A quoted text, an operator, a comment, or a run of other characters. */
const PART = /'([^']*)'|"([^"]*)"|(&&|\|\||[;&|()\n])|((?<![^\s;&|()])#.*)|((?:\\.|[^\s'";&|()\\])+)|[ \t]+/g;

/**
 * Each command with its arguments: without comments, assignments before it, redirections and bodies of
 * `<<'END'`. Commands within `$(...)` stand by themselves.
 */
export function commandsOf(text: string): string[][] {
  const flat = text
    .replaceAll(/<<'(\w+)'\n[\s\S]*?\n\1\n/g, '\n')
    .replaceAll(/\\\n\s*/g, ' ')
    .replaceAll(/\w+=\$\(/g, '(');
  const commands: string[][] = [[]];
  let glued = false;
  for (const [part, single, double, operator, comment, word] of flat.matchAll(PART)) {
    const value = single ?? double ?? word;
    const command = commands.at(-1)!;
    if (operator !== undefined) commands.push([]);
    else if (value !== undefined && glued) command.push(`${command.pop()}${value}`);
    else if (value !== undefined) command.push(value);
    glued = operator === undefined && comment === undefined && part.trim() !== '';
  }
  return commands.map(withoutPreamble).filter((command) => command.length > 0);
}

/** `A=1 do command` is the command; the head of a loop is none. */
function withoutPreamble([first, ...rest]: readonly string[]): string[] {
  if (first === undefined || first === 'for' || first === 'done') return [];
  if (first === 'do' || /^\w+=/.test(first)) return withoutPreamble(rest);
  const end = rest.findIndex((word) => /^(?:<|>|-$)/.test(word));
  return [first, ...(end < 0 ? rest : rest.slice(0, end))];
}
