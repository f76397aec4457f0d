/** Files whose tensors have names of their own: the names that the model has for them. */
import { OptionError } from '../../errors';
import type { SafetensorsEntry, SafetensorsFile } from '../../files/safetensors';
import { clip, show } from '../../options';

/**
 * From the names in a file to those in the model. A function returns the model's name, or undefined for what
 * is to be left out. A record has patterns of tensors or of layers with all that is below them; `*` stands
 * for any characters, dots too, and in the new name for what it stood for in the old one:
 * `{ _fc: 'classifier', '_blocks.*._bn0': 'blocks.*.bn1' }`. The first pattern that fits decides; names that
 * none fits stay.
 */
export type NameMap = ((name: string) => string | undefined) | Readonly<Record<string, string>>;

/** A tensor of a file, with its name there. */
interface RenamedEntry extends SafetensorsEntry {
  readonly nameInFile: string;
}

/** Checks a map of names. Returns it as a function. @throws OptionError */
export function checkNameMap(where: string, names: unknown): (name: string) => string | undefined {
  if (typeof names === 'function')
    return (name) => checkName(where, name, (names as (n: string) => unknown)(name));
  if (typeof names !== 'object' || names === null || Array.isArray(names))
    throw new OptionError(`${where}: names must be a function or a record of patterns, got ${show(names)}`);
  const rules = Object.entries<unknown>(names as Record<string, unknown>).map(([from, to]) =>
    ruleOf(where, from, to),
  );
  return (name) => {
    for (const rule of rules) {
      const found = rule(name);
      if (found !== undefined) return found;
    }
    return name;
  };
}

function checkName(where: string, name: string, found: unknown): string | undefined {
  if (found === undefined || (typeof found === 'string' && found !== '')) return found;
  throw new OptionError(
    `${where}: names must return a name or undefined, for ${show(name)} it returned ${show(found)}`,
  );
}

type NameRule = (name: string) => string | undefined;

function ruleOf(where: string, from: string, to: unknown): NameRule {
  if (from === '' || typeof to !== 'string' || to === '')
    throw new OptionError(`${where}: names: ${show(from)} must stand for a name, got ${show(to)}`);
  const [literals, parts] = [from.split('*'), to.split('*')];
  if (parts.length > literals.length)
    throw new OptionError(`${where}: names: ${show(to)} has more stars than ${show(from)}`);
  return (name) => {
    // The tensor, and then the layers that it is in, the innermost first.
    for (let end = name.length; end > 0; end = name.lastIndexOf('.', end - 1)) {
      const stars = starsOf(literals, name.slice(0, end));
      if (stars === undefined) continue;
      return parts.map((part, i) => (i === 0 ? part : stars[i - 1]! + part)).join('') + name.slice(end);
    }
    return undefined;
  };
}

/** What each star stands for, as little as it can; undefined where the text does not fit. */
function starsOf(literals: readonly string[], text: string): string[] | undefined {
  const [head = '', ...rest] = literals;
  const tail = rest.pop();
  if (tail === undefined) return text === head ? [] : undefined;
  if (!text.startsWith(head) || !text.endsWith(tail)) return undefined;
  const stars: string[] = [];
  let at = head.length;
  for (const literal of rest) {
    const found = text.indexOf(literal, at);
    if (found < 0) return undefined;
    stars.push(text.slice(at, found));
    at = found + literal.length;
  }
  const last = text.length - tail.length;
  return last < at ? undefined : [...stars, text.slice(at, last)];
}

/**
 * The file with the model's names. `isOther` tells tensors that are not the model's, which keep their names.
 * @throws OptionError where two tensors get one name
 */
export function renameTensors(
  where: string,
  file: SafetensorsFile,
  toModel: (name: string) => string | undefined,
  isOther: (name: string) => boolean,
): SafetensorsFile {
  const tensors = new Map<string, RenamedEntry>();
  for (const [nameInFile, entry] of file.tensors) {
    const name = isOther(nameInFile) ? nameInFile : toModel(nameInFile);
    if (name === undefined) continue;
    const before = tensors.get(name);
    if (before !== undefined)
      throw new OptionError(
        `${clip(where)}: names: ${show(before.nameInFile)} and ${show(nameInFile)} both become ${show(name)}`,
      );
    tensors.set(name, { ...entry, nameInFile });
  }
  return { ...file, tensors };
}
