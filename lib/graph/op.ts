/**
 * What an op is, and how calling one records a node. Each op's own file in lib/ops holds its rules; nothing
 * else knows the op.
 */
import { TenonError } from '../errors';
import { clip } from '../options';
import { checkTensor, Tensor, type Recipe, type TensorType } from '../tensor/tensor';
import { checkShape } from '../tensor/shape';
import type { Facts } from './facts';
import type { Lowering } from './lowering';
import { currentScope, resolveAssigned } from './trace';

/** What a gradient rule receives. `grads[i]` is null when the loss does not depend on output i. */
export interface GradContext<A> {
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  readonly grads: readonly (Tensor | null)[];
  readonly attrs: A;
  /** Whether anything needs the gradient of input i; a rule may skip the work where nothing does. */
  readonly wanted: readonly boolean[];
}

/** An op: its rules, and the facts that passes rely on. */
export interface OpRecord<A> extends Facts<A> {
  /** The op's name in errors, summaries and profiles. */
  readonly name: string;
  /** Checks the inputs; returns the types of the outputs. @throws ShapeError, DTypeError, OptionError */
  readonly infer: (inputs: readonly Tensor[], attrs: A) => TensorType[];
  /**
   * Returns one gradient per input, of the input's shape or a shape it was broadcast to; null for an input
   * that has none.
   */
  readonly grad?: (context: GradContext<A>) => readonly (Tensor | null)[];
  /** Emits the kernel calls. */
  readonly lower: (lowering: Lowering, attrs: A) => void;
  /**
   * Pairs of an output and the input that it may overwrite when a program assigns the output to the storage
   * that the input reads.
   */
  readonly inPlaceState?: (attrs: A) => readonly (readonly [output: number, input: number])[];
}

/** The op without the type of its attributes, for holders that pass it only its own. */
export function erased<A>(op: OpRecord<A>): OpRecord<unknown> {
  return op as OpRecord<unknown>;
}

let nextNode = 1;

/** One application of an op. */
export class Node implements Recipe {
  readonly id = nextNode++;
  readonly outputs: readonly Tensor[];
  /** Versions of the storages among the inputs, which tell whether the recipe is stale. */
  readonly versions: readonly (number | undefined)[];

  constructor(
    readonly op: OpRecord<unknown>,
    readonly inputs: readonly Tensor[],
    readonly attrs: unknown,
    types: readonly TensorType[],
    /** The layer that was running: `features.3`, or '' outside modules. */
    readonly scope: string,
  ) {
    this.versions = inputs.map((t) => (t.source.kind === 'storage' ? t.source.storage.version : undefined));
    this.outputs = types.map(
      ({ shape, dtype }, index) => new Tensor(shape, dtype, { kind: 'node', node: this, index }),
    );
  }
}

/** The application that computes `t`; undefined for data, arguments and scalars. */
export function nodeOf(t: Tensor): Node | undefined {
  const { source } = t;
  return source.kind === 'node' && source.node instanceof Node ? source.node : undefined;
}

/** Puts the names of the op and the layer in front of an error's message, once. */
function locate(op: string, scope: string, error: unknown): unknown {
  if (!(error instanceof TenonError)) return error;
  const place = scope === '' ? op : `${op} '${clip(scope)}'`;
  if (!error.message.startsWith(place))
    error.message = error.message.startsWith(op)
      ? place + error.message.slice(op.length)
      : `${place}: ${error.message}`;
  return error;
}

/** Records an application of `op`. Shapes are checked here, at the caller's line; nothing else runs. */
export function applyOp<A>(op: OpRecord<A>, inputs: readonly Tensor[], attrs: A): readonly Tensor[] {
  const scope = currentScope();
  inputs.forEach((input, i) => checkTensor(op.name, `operand ${i}`, input));
  const resolved = inputs.map(resolveAssigned);
  let types: TensorType[];
  try {
    types = op.infer(resolved, attrs);
    for (const type of types) checkShape(op.name, type.shape);
  } catch (error) {
    throw locate(op.name, scope, error);
  }
  return new Node(erased(op), resolved, attrs, types, scope).outputs;
}

/** The first output of an op application; every op has at least one. */
export function first(outputs: readonly Tensor[]): Tensor {
  return outputs[0]!;
}
