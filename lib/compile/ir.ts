/**
 * The graph that passes rewrite: nodes in execution order over values. It is captured from the tensors that a
 * trace returned and assigned.
 */
import { StaleTensorError } from '../errors';
import type { Storage } from '../tensor/storage';
import type { Tensor, TensorType } from '../tensor/tensor';
import type { Fused } from '../graph/facts';
import type { Leaf, Slot } from '../graph/lowering';
import { erased, nodeOf, type Node, type OpRecord } from '../graph/op';

export interface Value {
  /** Passes may store a value in another dtype. */
  type: TensorType;
  /** Absent for values that a node makes. */
  readonly leaf?: Leaf;
}

/** Whether it is a module's memory that no gradient trains. */
export function isUntrained(leaf: Slot['leaf']): boolean {
  return leaf?.kind === 'storage' && leaf.untrained === true;
}

export interface GraphNode {
  op: OpRecord<unknown>;
  attrs: unknown;
  inputs: Value[];
  outputs: Value[];
  scope: string;
  /** What passes have moved into its kernel; absent if they have moved nothing. */
  fused?: Fused;
  /** What a pass has to say about it in a profile. */
  note?: string;
}

/** A node that a pass adds. */
export function newNode<A>(
  applied: { readonly op: OpRecord<A>; readonly attrs: A },
  inputs: Value[],
  outputs: Value[],
  scope: string,
): GraphNode {
  return { op: erased(applied.op), attrs: applied.attrs, inputs, outputs, scope };
}

export interface Assignment {
  readonly storage: Storage;
  value: Value;
}

export interface Graph {
  nodes: GraphNode[];
  outputs: Value[];
  assignments: Assignment[];
}

/** Returns the leaf of a tensor that no op made. The caller decides what arguments and constants become. */
export type LeafOf = (t: Tensor) => Leaf;

/** Nodes that `roots` need, in the order in which they were recorded. */
export function reachableNodes(roots: Iterable<Tensor>): Node[] {
  const seen = new Set<Node>();
  const stack: Tensor[] = [...roots];
  for (let t = stack.pop(); t !== undefined; t = stack.pop()) {
    const node = nodeOf(t);
    if (node === undefined || seen.has(node)) continue;
    seen.add(node);
    stack.push(...node.inputs);
  }
  return [...seen].sort((a, b) => a.id - b.id);
}

/** @throws StaleTensorError where a storage has been written since a node that reads it was recorded */
export function checkFresh(root: Tensor): void {
  for (const node of reachableNodes([root])) {
    node.inputs.forEach((t, i) => {
      if (t.source.kind === 'storage' && t.source.storage.version !== node.versions[i]) {
        throw new StaleTensorError(
          `${node.op.name}: ${t.toString()} has changed since this recipe was recorded; record it again`,
        );
      }
    });
  }
}

/**
 * Builds the graph of everything that `outputs` and `assignments` need. The rest is dead code and
 * is left out.
 */
export function capture(
  outputs: readonly Tensor[],
  assigned: ReadonlyMap<Storage, Tensor>,
  leafOf: LeafOf,
): Graph {
  const values = new Map<Tensor, Value>();
  const shared = new Map<unknown, Value>();
  const valueOf = (t: Tensor): Value => {
    const known = values.get(t);
    if (known !== undefined) return known;
    const type = { shape: t.shape, dtype: t.dtype };
    let value: Value = { type };
    if (t.source.kind !== 'node') {
      const leaf = leafOf(t);
      const key = leafKey(leaf);
      value = shared.get(key) ?? { type, leaf };
      shared.set(key, value);
    }
    values.set(t, value);
    return value;
  };
  const nodes = reachableNodes([...outputs, ...assigned.values()]).map((node) => ({
    op: node.op,
    attrs: node.attrs,
    inputs: node.inputs.map(valueOf),
    outputs: node.outputs.map(valueOf),
    scope: node.scope,
  }));
  const assignments = [...assigned].map(([storage, t]) => ({ storage, value: valueOf(t) }));
  return { nodes, outputs: outputs.map(valueOf), assignments };
}

/** Two tensors over one leaf are one value. */
function leafKey(leaf: Leaf): unknown {
  switch (leaf.kind) {
    case 'storage':
      return leaf.storage;
    case 'input':
      return leaf.index;
    case 'scalar':
      return leaf.get;
  }
}

/** The nodes that read each value. */
export function consumersOf(graph: Graph): Map<Value, GraphNode[]> {
  const consumers = new Map<Value, GraphNode[]>();
  for (const node of graph.nodes) {
    for (const input of node.inputs) {
      const list = consumers.get(input);
      if (list === undefined) consumers.set(input, [node]);
      else list.push(node);
    }
  }
  return consumers;
}

/** The node that makes each value. */
export function makersOf(graph: Graph): Map<Value, GraphNode> {
  const makers = new Map<Value, GraphNode>();
  for (const node of graph.nodes) for (const output of node.outputs) makers.set(output, node);
  return makers;
}

/** Values that leave the graph. */
export function escaping(graph: Graph): Set<Value> {
  return new Set([...graph.outputs, ...graph.assignments.map((a) => a.value)]);
}

/** Orders nodes so that every value is made before it is read; otherwise keeps the order they are in. */
export function sortTopologically(nodes: readonly GraphNode[]): GraphNode[] {
  const maker = new Map<Value, GraphNode>();
  for (const node of nodes) for (const output of node.outputs) maker.set(output, node);
  const done = new Set<GraphNode>();
  const sorted: GraphNode[] = [];
  // An explicit stack: a deep network must not overflow JavaScript's.
  for (const root of nodes) {
    const stack: { node: GraphNode; next: number }[] = [{ node: root, next: 0 }];
    while (stack.length > 0) {
      const top = stack[stack.length - 1]!;
      if (done.has(top.node)) {
        stack.pop();
        continue;
      }
      const input = top.node.inputs[top.next++];
      if (input === undefined) {
        done.add(top.node);
        sorted.push(top.node);
        stack.pop();
        continue;
      }
      const before = maker.get(input);
      if (before !== undefined && !done.has(before)) stack.push({ node: before, next: 0 });
    }
  }
  return sorted;
}
