/** JSON as Python writes and reads it: with NaN, Infinity and -Infinity as bare words. */
import type { Json } from '../../settings';

/** Lists in lists. What is deeper is refused, by whoever writes and by whoever reads. */
export const DEEPEST_JSON = 100;

/** @throws RangeError for what is nested too deeply, which a value that holds itself is, too */
export function toPythonJson(value: Json, depth = 0): string {
  if (typeof value === 'number') return numberText(value);
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (depth >= DEEPEST_JSON) throw new RangeError(`more than ${DEEPEST_JSON} lists within each other`);
  if (isList(value)) return `[${value.map((item) => toPythonJson(item, depth + 1)).join(',')}]`;
  const entries = Object.entries(value).filter(([, entry]) => entry !== undefined);
  return `{${entries.map(([key, entry]) => `${JSON.stringify(key)}:${toPythonJson(entry, depth + 1)}`).join(',')}}`;
}

function isList(value: object): value is readonly Json[] {
  return Array.isArray(value);
}

function numberText(value: number): string {
  return Object.is(value, -0) ? '-0.0' : String(value);
}

/** @throws SyntaxError saying what is wrong and where */
export function parsePythonJson(text: string): Json {
  return new Reader(text).document();
}

const WORDS: Readonly<Record<string, Json>> = {
  null: null,
  true: true,
  false: false,
  NaN: NaN,
  Infinity: Infinity,
  '-Infinity': -Infinity,
};

class Reader {
  private at = 0;

  constructor(private readonly text: string) {}

  document(): Json {
    const value = this.value(0);
    this.space();
    if (this.at < this.text.length) this.fail('the end');
    return value;
  }

  private value(depth: number): Json {
    this.space();
    const first = this.text[this.at];
    if (first === '"') return this.string();
    if (first !== '{' && first !== '[') return this.scalar();
    if (depth >= DEEPEST_JSON)
      throw new SyntaxError(`more than ${DEEPEST_JSON} lists within each other at character ${this.at + 1}`);
    return first === '{' ? this.object(depth) : this.list(depth);
  }

  private list(depth: number): Json {
    const items: Json[] = [];
    this.items(']', () => items.push(this.value(depth + 1)));
    return items;
  }

  private object(depth: number): Json {
    const entries: [string, Json][] = [];
    this.items('}', () => {
      this.space();
      const key = this.string();
      this.space();
      if (this.text[this.at++] !== ':') this.fail('":"', this.at - 1);
      entries.push([key, this.value(depth + 1)]);
    });
    // Not by assignment, which would take the key __proto__ for something else.
    return Object.fromEntries(entries);
  }

  /** From the opening bracket to behind the closing one. */
  private items(close: string, item: () => void): void {
    this.at++;
    this.space();
    if (this.text[this.at] === close) {
      this.at++;
      return;
    }
    for (;;) {
      item();
      this.space();
      const next = this.text[this.at++];
      if (next === close) return;
      if (next !== ',') this.fail(`"," or "${close}"`, this.at - 1);
    }
  }

  private string(): string {
    const start = this.at;
    if (this.text[start] !== '"') this.fail('a text');
    let end = start;
    for (;;) {
      end = this.text.indexOf('"', end + 1);
      if (end < 0) this.fail('the end of a text', this.text.length);
      let slashes = 0;
      while (this.text[end - 1 - slashes] === '\\') slashes++;
      if (slashes % 2 === 0) break;
    }
    this.at = end + 1;
    try {
      return JSON.parse(this.text.slice(start, this.at)) as string;
    } catch {
      return this.fail('a text without bare control characters and unknown escapes', start);
    }
  }

  private scalar(): Json {
    const scalar = /-?Infinity|NaN|null|true|false|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
    scalar.lastIndex = this.at;
    const word = scalar.exec(this.text)?.[0];
    if (word === undefined) return this.fail('a value');
    this.at += word.length;
    return Object.hasOwn(WORDS, word) ? (WORDS[word] as Json) : Number(word);
  }

  private space(): void {
    const space = /[ \t\r\n]*/y;
    space.lastIndex = this.at;
    this.at += space.exec(this.text)?.[0].length ?? 0;
  }

  private fail(expected: string, at = this.at): never {
    throw new SyntaxError(`expected ${expected} at character ${at + 1}`);
  }
}
