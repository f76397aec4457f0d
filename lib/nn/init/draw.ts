/** Draws the initial weights of a model. */
import { DisposedError } from '../../errors';
import { compile } from '../../compile/compile';
import { assign } from '../../graph/trace';
import * as ops from '../../ops';
import { checkKeys, clip, nonNegativeInteger } from '../../options';
import { withMemory } from '../../tensor/lazy';
import { Parameter, ParameterMask, type Initializer } from '../../tensor/parameter';
import { Storage } from '../../tensor/storage';
import { checkTensor, Tensor } from '../../tensor/tensor';
import type { StateBuffer } from '../buffer';
import type { StateTensor } from '../tree';
import { applyInitRules, initRuleKeys, type InitRules } from './rules';

/** Options of `Module.initialize`. */
export interface InitializeOptions extends InitRules {
  /** Seed of the initial weights. Default 0. */
  readonly seed?: number;
}

/** @throws OptionError */
export function initializeSeed(where: string, options: InitializeOptions): number {
  checkKeys(where, options, ['seed', ...initRuleKeys]);
  return nonNegativeInteger(where, 'seed', options.seed ?? 0);
}

export function parametersOf(tensors: ReadonlyMap<string, StateTensor>): Map<string, Parameter> {
  return new Map([...tensors].filter((e): e is [string, Parameter] => e[1] instanceof Parameter));
}

/** Masks say which weights there are, so they are not drawn. */
export function drawn(tensors: ReadonlyMap<string, StateTensor>): Map<string, Parameter | StateBuffer> {
  return new Map(
    [...tensors].filter((e): e is [string, Parameter | StateBuffer] => !(e[1] instanceof ParameterMask)),
  );
}

/** Draws by `rules`. If that fails, everything is as before. */
export function drawBy(
  where: string,
  rules: InitRules,
  tensors: ReadonlyMap<string, Parameter | StateBuffer>,
  seed: number,
): void {
  const all = [...tensors.values()];
  // Memory that no program uses yet need not wait for the steps of other models.
  const queue = all.some((tensor) => tensor.initialized) ? 'train' : 'predict';
  const restore = replaceInitializers(where, rules, tensors);
  try {
    withMemory(all, () => draw(where, all, seed, queue));
  } catch (error) {
    restore();
    throw error;
  }
}

/**
 * What puts the initializers back that the tensors have now, where `rules` have replaced them and nobody else
 * has since.
 */
function replaceInitializers(
  where: string,
  rules: InitRules,
  tensors: ReadonlyMap<string, Parameter | StateBuffer>,
): () => void {
  const parameters = [...parametersOf(tensors).values()];
  const now = (): Initializer[] => parameters.map((parameter) => parameter.initializer);
  const before = now();
  const restore = (own: readonly Initializer[]): void =>
    parameters.forEach((parameter, i) => {
      if (parameter.initializer === own[i]) parameter.initializer = before[i]!;
    });
  try {
    applyInitRules(where, rules, parametersOf(tensors));
  } catch (error) {
    restore(now());
    throw error;
  }
  const own = now();
  return () => restore(own);
}

/** Elements that one program draws, unless a tensor has more: predictions of other models come between. */
const DRAWN_AT_ONCE = 2 ** 22;

/**
 * Draws what has no values yet by `rules`, off the event loop. The tensors get their memory all at once when
 * everything is drawn; one that somebody else has given values meanwhile keeps these.
 */
export async function drawAside(
  where: string,
  rules: InitRules,
  tensors: ReadonlyMap<string, Parameter | StateBuffer>,
  seed: number,
): Promise<void> {
  const drawn: [tensor: Parameter | StateBuffer, storage: Storage][] = [];
  const restore = replaceInitializers(where, rules, tensors);
  // What another call changes meanwhile is not for this one.
  const values = new Map([...tensors.values()].map((t) => [t, valuesOf(t, seed)]));
  try {
    for (const group of groupsOf(tensors.values())) {
      const fresh = group.map((t) => [t, new Storage(t.shape, t.dtype)] as const);
      drawn.push(...fresh.map(([tensor, storage]): (typeof drawn)[number] => [tensor, storage]));
      const program = compile(
        () => {
          for (const [tensor, storage] of fresh)
            assign(
              new Tensor(tensor.shape, tensor.dtype, { kind: 'storage', storage }),
              tensor.admit(checkedValue(where, tensor, values.get(tensor)!())),
            );
        },
        { queue: 'predict' },
      );
      await program().finally(() => program.dispose());
    }
  } catch (error) {
    for (const [, storage] of drawn) storage.dispose();
    restore();
    throw error;
  }
  for (const [tensor, storage] of drawn) {
    if (tensor.initialized) storage.dispose();
    else tensor.materialize(storage);
  }
}

function groupsOf(tensors: Iterable<Parameter | StateBuffer>): (Parameter | StateBuffer)[][] {
  const groups: (Parameter | StateBuffer)[][] = [];
  let elements = Infinity;
  for (const tensor of tensors) {
    elements += tensor.size;
    if (elements > DRAWN_AT_ONCE) {
      groups.push([]);
      elements = tensor.size;
    }
    groups.at(-1)!.push(tensor);
  }
  return groups;
}

/** One program draws everything. */
function draw(
  where: string,
  tensors: readonly (Parameter | StateBuffer)[],
  seed: number,
  queue: 'train' | 'predict',
): void {
  if (tensors.length === 0) return;
  for (const tensor of tensors)
    if (tensor.storage.disposed)
      throw new DisposedError(`${tensor.toString()} was disposed; its memory is gone`);
  const program = compile(
    () => {
      for (const tensor of tensors) assign(tensor, checkedValue(where, tensor, valuesOf(tensor, seed)()));
    },
    { queue },
  );
  try {
    program.runSync();
  } finally {
    program.dispose();
  }
}

/** Makes the first values of a tensor, by the initializer and the name that it has now. */
function valuesOf(tensor: Parameter | StateBuffer, seed: number): () => unknown {
  const { shape } = tensor;
  if (!(tensor instanceof Parameter)) return () => ops.full(shape, tensor.initial);
  const { initializer, name } = tensor;
  return () => initializer(shape, seed, name);
}

/** @throws DTypeError if an initializer is not one, such as `nn.init.zeros` without its call */
function checkedValue(where: string, tensor: Parameter | StateBuffer, value: unknown): Tensor {
  checkTensor(where, `what the initializer of '${clip(tensor.name)}' returns`, value);
  return value;
}
