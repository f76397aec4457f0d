/**
 * Augmentations as text: `flip`, `rotate(15, fill=128)`, `randomResizedCrop(32, scale=0.5:1)`,
 * `oneOf(rotate(15), sequence(flip, cutout(8)), weights=2:1, p=0.5)`, `policy([[["Rotate",0.8,4]]])`.
 */
import { OptionError } from '../errors';
import { clip, nearest, show } from '../options';
import type { Augmentation } from './augmentation';
import { oneOf, sequence, someOf } from './choose';
import { custom } from './custom';
import { policy } from './policy';
import type { SubPolicy } from './policy-operations';
import { augmentations, type AnyMaker } from './registry';
import { parseCall, SpellingError, valueOf, wordIn, type Piece, type SpelledCall } from './spelling';

/** What a reader of texts knows besides the augmentations themselves. */
export interface Vocabulary {
  /** Where messages come from. */
  readonly where: string;
  /** Names that stand for calls of others. */
  readonly aliases: Readonly<Record<string, (call: Spelled) => Spelled>>;
  /** The policy in a file. Default: a file is refused. */
  readonly policyIn?: (file: string) => readonly SubPolicy[];
}

/** A call of an augmentation, with the values of its arguments. */
export interface Spelled {
  readonly name: string;
  readonly positional: readonly unknown[];
  readonly named: Readonly<Record<string, unknown>>;
}

/** How deep augmentations stand in each other; the native interpreter takes no more. */
const MAX_DEPTH = 8;

type Options = Readonly<Record<string, unknown>>;

/** Augmentations that hold others: what makes them from a list, and from what stands before it. */
const GROUPS = {
  oneOf: { before: 0, make: (_, list, options) => oneOf(list, options) },
  someOf: { before: 1, make: (n, list, options) => someOf(n as number, list, options) },
  sequence: { before: 0, make: (_, list, options) => sequence(list, options) },
} satisfies Record<
  string,
  { before: number; make: (n: unknown, list: readonly Augmentation[], options: Options) => Augmentation }
>;

/** What texts may name besides the augmentations of the registry. */
export const COMPOSED: readonly string[] = [...Object.keys(GROUPS), 'policy', 'custom'];

/**
 * The augmentation that a text stands for.
 * @throws OptionError that names the fault and its place in the text
 */
export function parseAugmentation(text: string, vocabulary: Vocabulary): Augmentation {
  return new Reader(text, vocabulary).read({ text, at: 0 }, 1);
}

class Reader {
  constructor(
    private readonly whole: string,
    private readonly vocabulary: Vocabulary,
  ) {}

  read(piece: Piece, depth: number): Augmentation {
    const { where, aliases } = this.vocabulary;
    if (depth > MAX_DEPTH) throw this.fault(`more than ${MAX_DEPTH} augmentations in each other`, piece.at);
    const call = parseCall(where, piece, this.whole);
    try {
      const group = named(GROUPS, call.name);
      if (group !== undefined) return this.group(call, GROUPS[group], depth);
      const kind = call.name.toLowerCase();
      if (kind === 'policy') return this.policy(call);
      if (kind === 'custom') return this.custom(call);
      const alias = named(aliases, call.name);
      const given = { name: call.name, ...this.values(call) };
      const spelled = alias === undefined ? given : aliases[alias]!(given);
      return makeCalled(this.maker(spelled.name), spelled);
    } catch (error) {
      if (!(error instanceof OptionError) || error instanceof SpellingError) throw error;
      throw this.fault(error.message, call.at);
    }
  }

  private fault(said: string, at: number): SpellingError {
    return new SpellingError(this.vocabulary.where, said, { at, whole: this.whole });
  }

  private group(
    { positional, named: options }: SpelledCall,
    { before, make }: (typeof GROUPS)[keyof typeof GROUPS],
    depth: number,
  ): Augmentation {
    const [n] = before === 0 ? [] : positional;
    const list = positional.slice(before).map((piece) => this.read(piece, depth + 1));
    return make(n === undefined ? undefined : valueOf(n.text), list, valuesOf(options));
  }

  private policy({ positional, named: options }: SpelledCall): Augmentation {
    const [first] = positional;
    if (first === undefined || positional.length > 1)
      throw new OptionError('policy takes a file, or sub-policies as JSON, and settings by name');
    return policy(this.subPolicies(first), valuesOf(options));
  }

  private custom({ positional, named: options }: SpelledCall): Augmentation {
    const [file] = positional;
    if (file === undefined || positional.length > 1)
      throw new OptionError('custom takes the file of a module, and settings by name');
    return custom(wordIn(file.text), valuesOf(options));
  }

  private subPolicies({ text, at }: Piece): readonly SubPolicy[] {
    const { policyIn } = this.vocabulary;
    if (text.startsWith('[')) {
      try {
        return JSON.parse(text) as readonly SubPolicy[];
      } catch {
        throw this.fault('the sub-policies are not JSON', at);
      }
    }
    if (policyIn === undefined) throw new OptionError(`the policy of the file ${show(text)} is missing`);
    return policyIn(wordIn(text));
  }

  private values({ positional, named: options }: SpelledCall): Omit<Spelled, 'name'> {
    return { positional: positional.map(({ text }) => valueOf(text)), named: valuesOf(options) };
  }

  /** The augmentation of a name, in any case: `randomcrop` is randomCrop. */
  private maker(name: string): AnyMaker {
    const found = named(augmentations, name);
    if (found !== undefined) return augmentations[found]!;
    const all = [...Object.keys(this.vocabulary.aliases), ...Object.keys(augmentations), ...COMPOSED];
    const near = nearest(name, all);
    const meant = near === undefined ? '' : ` (did you mean ${show(near)}?)`;
    throw new OptionError(`there is no augmentation ${show(name)}${meant}; known: ${clip(all.join(', '))}`);
  }
}

/** The key that is `name` in any case. */
function named<K extends string>(known: Readonly<Record<K, unknown>>, name: string): K | undefined {
  return (Object.keys(known) as K[]).find((key) => key.toLowerCase() === name.toLowerCase());
}

function valuesOf(options: ReadonlyMap<string, Piece>): Options {
  return Object.fromEntries([...options].map(([key, { text }]) => [key, valueOf(text)]));
}

/** Makes what a call says: arguments without a name are the argument and the settings in their order. */
function makeCalled(maker: AnyMaker, { positional, named: given }: Spelled): Augmentation {
  const before = maker.args.keys;
  const keys = [...before, ...maker.settings.keys];
  if (positional.length > keys.length)
    throw new OptionError(
      `${maker.kind} takes at most ${keys.length} arguments (${keys.join(', ')}), got ${positional.length}`,
    );
  const options: Record<string, unknown> = { ...given };
  positional.forEach((value, i) => {
    const key = keys[i]!;
    if (Object.hasOwn(options, key)) throw new OptionError(`${maker.kind} has ${key} twice`);
    options[key] = value;
  });
  const leading = before.map((key) => options[key]);
  for (const key of before) delete options[key];
  return maker(...leading, options);
}

/**
 * The text with the policy of each file in the place of the file's name.
 * @throws OptionError for a text that stands for no augmentation; what `read` throws
 */
export async function withPolicies(
  text: string,
  where: string,
  read: (file: string) => Promise<readonly SubPolicy[]>,
): Promise<string> {
  let [after, from] = ['', 0];
  for (const { text: file, at } of policyFiles({ text, at: 0 }, where, text, 1)) {
    after += `${text.slice(from, at)}${JSON.stringify(await read(wordIn(file)))}`;
    from = at + file.length;
  }
  return after + text.slice(from);
}

/** The files that `policy(...)` in a text names. */
function policyFiles(piece: Piece, where: string, whole: string, depth: number): Piece[] {
  if (depth > MAX_DEPTH) return [];
  const { name, positional } = parseCall(where, piece, whole);
  const group = named(GROUPS, name);
  if (group !== undefined)
    return positional
      .slice(GROUPS[group].before)
      .flatMap((inner) => policyFiles(inner, where, whole, depth + 1));
  return name.toLowerCase() === 'policy' ? positional.filter(({ text }) => !text.startsWith('[')) : [];
}
