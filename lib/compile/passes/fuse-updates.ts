/**
 * A large linear layer at a small batch: its gradient is as large as its weight, but the product of two small
 * matrices. SGD then updates the weight by tiles of the product that never leave the registers, and the guard
 * takes the gradient's norm from the factors: two passes over memory instead of six.
 */
import { productSquaresLimit, productSquaresOp, sgdProductOp, type UpdateAttrs } from '../../ops/update';
import { numel } from '../../tensor/shape';
import {
  consumersOf,
  escaping,
  makersOf,
  sortTopologically,
  type Graph,
  type GraphNode,
  type Value,
} from '../ir';

/** Below this many elements the gradient stays in cache, and the pass over it costs little. */
const leastElements = 1 << 20;

export function fuseUpdates(graph: Graph): Graph {
  const updates = graph.nodes.filter((node) => node.op.name === 'sgd');
  if (updates.length === 0) return graph;
  const watch = watchOf(graph);
  if (watch === undefined) return graph;
  const rewrite = new Rewrite(graph, watch);
  for (const update of updates) rewrite.splitOff(update);
  return rewrite.result();
}

/**
 * The sum of squares that only the guard reads. A step that clips needs the norm itself, to the last bit:
 * it has none.
 */
interface Watch {
  readonly squares: GraphNode;
  readonly guard: GraphNode;
}

function watchOf(graph: Graph): Watch | undefined {
  const consumers = consumersOf(graph);
  const outside = escaping(graph);
  for (const squares of graph.nodes) {
    if (squares.op.name !== 'sum_squares' || outside.has(squares.outputs[0]!)) continue;
    const readers = consumers.get(squares.outputs[0]!) ?? [];
    const guard = readers[0];
    if (readers.length === 1 && guard?.op.name === 'finite_guard') return { squares, guard };
  }
  return undefined;
}

class Rewrite {
  private readonly consumers: ReadonlyMap<Value, readonly GraphNode[]>;
  private readonly outside: ReadonlySet<Value>;
  private readonly makers: ReadonlyMap<Value, GraphNode>;
  private readonly removed = new Set<GraphNode>();
  private readonly added: GraphNode[] = [];

  constructor(
    private readonly graph: Graph,
    private readonly watch: Watch,
  ) {
    this.consumers = consumersOf(graph);
    this.outside = escaping(graph);
    this.makers = makersOf(graph);
  }

  /** Takes the parameters that qualify out of the update, each into a node of its own. */
  splitOff(update: GraphNode): void {
    const { count, states, scalars, scaled, flags } = update.attrs as UpdateAttrs;
    const own = (i: number): boolean =>
      !scaled && this.product(update, update.inputs[scalars + count + i]!) !== undefined;
    const kept = Array.from({ length: count }, (_, i) => i).filter((i) => !own(i));
    if (kept.length === count) return;
    const input = (list: number, i: number): Value => update.inputs[scalars + list * count + i]!;
    const output = (list: number, i: number): Value => update.outputs[list * count + i]!;
    for (let i = 0; i < count; i++) {
      if (kept.includes(i)) continue;
      const gradient = input(1, i);
      const factors = this.takeOver(gradient, this.makers.get(gradient)!);
      this.added.push({
        op: sgdProductOp as GraphNode['op'],
        attrs: { flags },
        inputs: [
          ...update.inputs.slice(0, scalars),
          input(0, i),
          ...factors,
          ...(states > 0 ? [input(2, i)] : []),
        ],
        outputs: [output(0, i), ...(states > 0 ? [output(1, i)] : [])],
        scope: update.scope,
      });
    }
    const lists = (of: (list: number, i: number) => Value, n: number): Value[] =>
      Array.from({ length: n }, (_, list) => kept.map((i) => of(list, i))).flat();
    const inputs = [...update.inputs.slice(0, scalars), ...lists(input, 2 + states)];
    update.outputs = lists(output, 1 + states);
    update.inputs = inputs;
    update.attrs = { ...(update.attrs as UpdateAttrs), count: kept.length };
    if (kept.length === 0) this.removed.add(update);
  }

  /** The node that makes a gradient dy^T x in f32 which only its update and the guard read. */
  private product(update: GraphNode, gradient: Value): GraphNode | undefined {
    const made = this.makers.get(gradient);
    if (made?.op.name !== 'linear_backward_weights' || this.outside.has(gradient)) return undefined;
    const readers = this.consumers.get(gradient) ?? [];
    if (readers.length !== 2 || !readers.includes(update) || !readers.includes(this.watch.squares))
      return undefined;
    const [examples] = made.inputs[0]!.type.shape as [number];
    const fits = numel(gradient.type.shape) >= leastElements && examples <= productSquaresLimit;
    return fits && made.inputs.every((factor) => factor.type.dtype === 'f32') ? made : undefined;
  }

  /** Drops the product; the guard watches its norm by way of the factors, which are returned. */
  private takeOver(gradient: Value, made: GraphNode): Value[] {
    const { squares, guard } = this.watch;
    const norm: Value = { type: { shape: [], dtype: 'f32' } };
    this.removed.add(made);
    this.added.push({
      op: productSquaresOp as GraphNode['op'],
      attrs: null,
      inputs: made.inputs,
      outputs: [norm],
      scope: squares.scope,
    });
    squares.inputs = squares.inputs.filter((value) => value !== gradient);
    const watched = guard.inputs.filter((value) => value !== squares.outputs[0] || squares.inputs.length > 0);
    if (squares.inputs.length === 0) this.removed.add(squares);
    guard.inputs = [...watched, norm];
    return made.inputs;
  }

  result(): Graph {
    if (this.added.length === 0) return this.graph;
    const nodes = [...this.graph.nodes, ...this.added].filter((node) => !this.removed.has(node));
    return { ...this.graph, nodes: sortTopologically(nodes) };
  }
}
