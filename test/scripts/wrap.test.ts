/** scripts/wrap.js: what it cuts, and what it leaves as it is. */

interface Wrappers {
  readonly wrapCpp: (text: string) => string;
  readonly wrapMarkdown: (text: string) => string;
  readonly wrapScript: (text: string, file: string) => string;
}

const { wrapCpp, wrapMarkdown, wrapScript } = jest.requireActual<Wrappers>('../../scripts/wrap.js');

const wide = 'word '.repeat(30).trim(); // 149 characters
const cut = ['word '.repeat(21).trim(), 'word '.repeat(9).trim()];

const script = (text: string): string => wrapScript(text, 'a.ts');

describe('comments', () => {
  it('that are too wide are cut', () => {
    expect(script(`// ${wide}\nf();\n`)).toBe(`// ${cut[0]}\n// ${cut[1]}\nf();\n`);
    expect(script(`  /** ${wide} */\n`)).toBe(`  /**\n   * ${cut[0]}\n   * ${cut[1]}\n   */\n`);
    expect(wrapCpp(`// ${wide}\nint a;\n`)).toBe(`// ${cut[0]}\n// ${cut[1]}\nint a;\n`);
  });

  it('do not end in a line of one word', () => {
    const lines = (text: string): string[] =>
      text
        .trimEnd()
        .split('\n')
        .map((line) => line.slice(3));
    const filled = lines(script(`// ${'word '.repeat(21)}\n// word\n`));
    expect(filled.map((line) => line.split(' ').length)).toEqual([19, 3]);
  });

  it('that are well wrapped stay as they are, short lines too', () => {
    const text = `/**\n * Some words,\n * and some more.\n *\n * @param x ${wide.slice(0, 79)}\n */\n`;
    expect(script(text)).toBe(text);
  });

  it('keep items and tags apart, and hang their lines', () => {
    expect(script(`/**\n * Head.\n * @param x ${wide}\n * @throws Error\n */\n`)).toBe(
      `/**\n * Head.\n * @param x ${'word '.repeat(19).trim()}\n *   ${'word '.repeat(11).trim()}\n * @throws Error\n */\n`,
    );
  });

  it('of one line have their tags on lines of their own once they are cut', () => {
    expect(script(`/** ${'word '.repeat(18)}word. @throws Error */\n`)).toBe(
      `/**\n * ${'word '.repeat(18)}word.\n * @throws Error\n */\n`,
    );
    expect(script('/** Some words. @throws Error */\n')).toBe('/** Some words. @throws Error */\n');
  });

  it('do not begin a line with what would make it an item or a tag', () => {
    expect(script(`// ${'word '.repeat(20)}x @throws Error where it is\n`)).not.toMatch(/^\/\/ @throws/m);
    expect(script(`// ${'word '.repeat(20)}wor 2. Then some more words\n`)).not.toMatch(/^\/\/ 2\./m);
  });

  it('leave code, strings, directives and what is laid out as they are', () => {
    const text = [
      `const a = \`\n// ${wide}\n\`;`,
      `const b = '// ${wide}';`,
      `// eslint-disable-next-line ${wide}`,
      `//   ${wide}`,
      `/*\n *   one      ${wide}\n */`,
      `f(); // ${wide}`,
    ].join('\n\n');
    expect(script(text)).toBe(text);
  });
});

describe('markdown', () => {
  it('is cut between words, code spans and links', () => {
    const before = 'word '.repeat(20);
    const after = ' word'.repeat(10);
    expect(wrapMarkdown(`${before}\`a b c d\` [some text](there.md)${after}\n`)).toBe(
      `${before}\`a b c d\`\n[some text](there.md)${after}\n`,
    );
    expect(wrapMarkdown(`${before}\`${'a '.repeat(8)}\`${after}\n`)).toBe(
      `${before.trim()}\n\`${'a '.repeat(8)}\`${after}\n`,
    );
  });

  it('keeps tables, headings and fences', () => {
    const text = `# ${wide}\n\n| ${wide} |\n|---|\n\n\`\`\`\n${wide}\n\`\`\`\n`;
    expect(wrapMarkdown(text)).toBe(text);
  });
});
