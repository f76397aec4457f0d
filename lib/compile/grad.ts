/**
 * Reverse-mode differentiation: one loop over the record, backwards. Un-broadcasting and summing happen here,
 * once, for all ops.
 */
import { ShapeError, TraceError } from '../errors';
import type { Node } from '../graph/op';
import { withScope } from '../graph/trace';
import { add, ones, sumTo } from '../ops';
import { checkList } from '../options';
import { formatShape, sameShape } from '../tensor/shape';
import { checkTensor, type Tensor } from '../tensor/tensor';
import { Parameter } from '../tensor/parameter';
import { reachableNodes } from './ir';

/** Gradients of a loss by parameter. */
export class Gradients {
  readonly loss: Tensor;
  private readonly byParameter: ReadonlyMap<Parameter, Tensor>;

  constructor(loss: Tensor, byParameter: ReadonlyMap<Parameter, Tensor>) {
    this.loss = loss;
    this.byParameter = byParameter;
  }

  /** The gradient of a parameter, of its shape; undefined where the loss does not depend on it. */
  get(parameter: Parameter): Tensor | undefined {
    return this.byParameter.get(parameter);
  }

  /** Every parameter with its gradient. */
  entries(): [Parameter, Tensor][] {
    return [...this.byParameter];
  }

  /** The same parameters with other gradients, for example clipped ones. */
  map(fn: (gradient: Tensor, parameter: Parameter) => Tensor): Gradients {
    return new Gradients(this.loss, new Map(this.entries().map(([p, g]) => [p, fn(g, p)])));
  }
}

/**
 * Gradients of `loss` (one element) with respect to every parameter that takes part and requires a
 * gradient, or to the tensors listed. The gradients are recipes like any other tensor. Gradients of
 * gradients are not supported.
 * @throws ShapeError when the loss has more than one element; TraceError when a listed tensor does not take
 *   part in it
 */
export function grad(loss: Tensor): Gradients;
export function grad(loss: Tensor, withRespectTo: readonly Tensor[]): Tensor[];
export function grad(loss: Tensor, withRespectTo?: readonly Tensor[]): Gradients | Tensor[] {
  checkTensor('grad', 'loss', loss);
  if (loss.size !== 1) {
    throw new ShapeError(
      `grad: the loss must have one element, got ${formatShape(loss.shape)}; reduce it with mean or sum`,
    );
  }
  const nodes = reachableNodes([loss]);
  if (withRespectTo === undefined) {
    const parameters = trainable(nodes);
    const gradients = backward(loss, nodes, parameters);
    return new Gradients(loss, new Map(parameters.flatMap((p) => pair(p, gradients.get(keyOf(p))))));
  }
  checkList('grad', 'withRespectTo', withRespectTo);
  for (const t of withRespectTo) checkTensor('grad', 'each entry of withRespectTo', t);
  const gradients = backward(loss, nodes, withRespectTo);
  return withRespectTo.map((t) => {
    const g = gradients.get(keyOf(t));
    if (g === undefined)
      throw new TraceError(`grad: the loss does not depend on ${t.toString()} by differentiable ops`);
    return g;
  });
}

function pair(p: Parameter, g: Tensor | undefined): [Parameter, Tensor][] {
  return g === undefined ? [] : [[p, g]];
}

function trainable(nodes: readonly Node[]): Parameter[] {
  const found = new Set<Parameter>();
  for (const node of nodes) {
    for (const input of node.inputs) if (input instanceof Parameter && input.requiresGrad) found.add(input);
  }
  return [...found];
}

/** Tensors over the same storage are the same variable. */
function keyOf(t: Tensor): unknown {
  return t.source.kind === 'storage' ? t.source.storage : t;
}

function backward(loss: Tensor, nodes: readonly Node[], targets: readonly Tensor[]): Map<unknown, Tensor> {
  const wanted = new Set<unknown>(targets.map(keyOf));
  const onPath = new Set<unknown>(wanted);
  for (const node of nodes) {
    if (node.op.grad !== undefined && node.inputs.some((t) => onPath.has(keyOf(t))))
      node.outputs.forEach((t) => onPath.add(t));
  }
  const gradients = new Map<unknown, Tensor>();
  if (!onPath.has(keyOf(loss))) return gradients;
  gradients.set(keyOf(loss), ones(loss.shape));
  for (const node of [...nodes].reverse()) backwardNode(node, onPath, gradients);
  return gradients;
}

function backwardNode(node: Node, onPath: ReadonlySet<unknown>, gradients: Map<unknown, Tensor>): void {
  const needed = node.inputs.map((t) => onPath.has(keyOf(t)));
  const grads = node.outputs.map((t) => gradients.get(t) ?? null);
  if (node.op.grad === undefined || !needed.includes(true) || grads.every((g) => g === null)) return;
  const rule = node.op.grad;
  withScope(node.scope, () => {
    const { inputs, outputs, attrs } = node;
    const results = rule({ inputs, outputs, grads, attrs, wanted: needed });
    if (results.length !== inputs.length)
      throw new TraceError(`${node.op.name}: its gradient rule must return one entry per input`);
    results.forEach((g, i) => {
      if (g !== null && needed[i]) accumulate(gradients, inputs[i]!, g);
    });
  });
}

function accumulate(gradients: Map<unknown, Tensor>, input: Tensor, g: Tensor): void {
  const fitted = sameShape(g.shape, input.shape) ? g : sumTo(g, input.shape);
  const key = keyOf(input);
  const before = gradients.get(key);
  gradients.set(key, before === undefined ? fitted : add(before, fitted));
}
