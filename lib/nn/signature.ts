/**
 * What a compiled program depends on in a tree of modules, as a text: modes, plain fields (numbers, texts,
 * tensors, lists and plain objects of them), parameters and whether they are trained or pruned, buffers and
 * whether they are frozen. Predictions ask for it at every call, so the text is kept with the values it was
 * made from, and made again only when one of them has changed. Comparing them takes a tenth of the time.
 */
import { Parameter } from '../tensor/parameter';
import { Tensor } from '../tensor/tensor';
import { StateBuffer } from './buffer';
import { MODE, type Mode } from './mode';

/** Fields of every module that no program holds. */
const baseRuntimeFields: readonly string[] = ['preprocessing', 'inputTransform', 'classNames'];

/** The mode in the text. */
const noted: Readonly<Record<Mode, string>> = { train: 't', sample: 's', eval: 'e', loaded: 'e' };

/**
 * Marks in the list of values: a field that does not count, one of which only counts whether it is there, and
 * the end of a module's fields.
 */
const present = Symbol('present');
const absent = Symbol('absent');
const ignored = Symbol('ignored');
const end = Symbol('end');

/** What a signature needs of a module, besides its fields. */
interface Signed {
  readonly [MODE]: Mode;
}

export class Signature<M extends Signed> {
  private text: string | undefined;
  /** Everything met on the walk, in its order. */
  private seen: unknown[] = [];
  private at = 0;
  /** Whether the text is taken for granted. */
  private held = false;
  /**
   * The modules and plain objects that the walk is inside of, so that one that holds itself is
   * not entered again.
   */
  private readonly open: object[] = [];

  /**
   * @param isModule tells modules from other values: the class of modules is built on this file
   * @param runtimeFields names of the fields of a module whose values its programs do not hold; whether
   *   there is one counts
   */
  constructor(
    private readonly root: M,
    private readonly isModule: (value: unknown) => value is M,
    private readonly runtimeFields: (module: M) => readonly string[],
  ) {}

  current(): string {
    if (this.held && this.text !== undefined) return this.text;
    this.at = 0;
    this.open.length = 0;
    if (this.text !== undefined && this.sameModule(this.root)) return this.text;
    this.seen = [];
    this.open.length = 0;
    this.text = this.noteModule(this.root);
    return this.text;
  }

  /** `fn()`, during which the signature is the one that was found last. */
  unchanged<R>(fn: () => R): R {
    const outer = this.held;
    this.held = true;
    try {
      return fn();
    } finally {
      this.held = outer;
    }
  }

  private noteModule(module: M): string {
    if (this.open.includes(module)) return '^';
    this.open.push(module);
    const runtimeFields = this.runtimeFields(module);
    // Its key is a symbol: it is not among the fields below.
    const mode = module[MODE];
    this.seen.push(mode);
    let text = `(${noted[mode]}`;
    // Not Object.entries: that makes an array for each field.
    const fields = module as unknown as Readonly<Record<string, unknown>>;
    for (const key in fields) {
      this.seen.push(key);
      if (baseRuntimeFields.includes(key)) this.seen.push(ignored);
      else if (runtimeFields.includes(key)) text += this.notePresence(fields[key]);
      else text += this.note(fields[key]);
    }
    this.seen.push(end);
    this.open.pop();
    return `${text})`;
  }

  private notePresence(value: unknown): string {
    this.seen.push(value === undefined ? absent : present);
    return value === undefined ? '' : '?';
  }

  private note(value: unknown): string {
    this.seen.push(value);
    switch (typeof value) {
      case 'number':
      case 'boolean':
      case 'string':
        return `${value},`;
      case 'object':
        if (value === null) return ',';
        if (value instanceof Parameter) {
          this.seen.push(value.requiresGrad, value.mask);
          const mask = value.mask === undefined ? '' : `m${value.mask.id}`;
          return `${value.id}${value.requiresGrad ? '+' : '-'}${mask}`;
        }
        if (value instanceof StateBuffer) {
          this.seen.push(value.frozen);
          return `${value.id}${value.frozen ? '-' : '+'}`;
        }
        if (this.isModule(value)) return this.noteModule(value);
        if (value instanceof Tensor) return value.source.kind === 'node' ? ',' : `t${value.id}`;
        if (Array.isArray(value)) {
          this.seen.push(value.length);
          return `[${value.map((item) => this.note(item)).join('')}]`;
        }
        return isPlain(value) ? this.noteEntries(value) : ',';
      default:
        return ',';
    }
  }

  private noteEntries(value: object): string {
    if (this.open.includes(value)) return '^';
    this.open.push(value);
    const entries = Object.entries(value);
    this.seen.push(entries.length);
    const text = entries.map(([key, item]) => {
      this.seen.push(key);
      return `${key}:${this.note(item)}`;
    });
    this.open.pop();
    return `{${text.join('')}}`;
  }

  /** Whether a walk from here meets what the noted one met. */
  private sameModule(module: M): boolean {
    if (this.open.includes(module)) return true;
    this.open.push(module);
    if (this.seen[this.at++] !== module[MODE]) return false;
    const fields = module as unknown as Readonly<Record<string, unknown>>;
    for (const key in fields) {
      if (this.seen[this.at++] !== key) return false;
      const mark = this.seen[this.at];
      if (mark === present || mark === absent) {
        this.at++;
        if ((fields[key] === undefined) !== (mark === absent)) return false;
      } else if (mark === ignored) this.at++;
      else if (!this.same(fields[key])) return false;
    }
    this.open.pop();
    return this.seen[this.at++] === end;
  }

  private same(value: unknown): boolean {
    if (this.seen[this.at++] !== value) return false;
    if (typeof value !== 'object' || value === null) return true;
    if (value instanceof Parameter)
      return this.seen[this.at++] === value.requiresGrad && this.seen[this.at++] === value.mask;
    if (value instanceof StateBuffer) return this.seen[this.at++] === value.frozen;
    if (this.isModule(value)) return this.sameModule(value);
    if (Array.isArray(value))
      return this.seen[this.at++] === value.length && value.every((item) => this.same(item));
    return value instanceof Tensor || !isPlain(value) || this.sameEntries(value);
  }

  private sameEntries(value: object): boolean {
    if (this.open.includes(value)) return true;
    this.open.push(value);
    const items = value as Readonly<Record<string, unknown>>;
    const keys = Object.keys(value);
    if (this.seen[this.at++] !== keys.length) return false;
    for (const key of keys) if (this.seen[this.at++] !== key || !this.same(items[key])) return false;
    this.open.pop();
    return true;
  }
}

/** Whether it has no class of its own: then its contents count. */
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
