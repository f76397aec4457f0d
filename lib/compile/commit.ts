/**
 * Which nodes make up the commit section: the updates of persistent state that run last, and only when the
 * step is finite.
 */
import type { Graph, GraphNode, Value } from './ir';

/**
 * A node belongs to the commit section if it can update in place a storage that the program assigns, or if
 * it reads the output of such a node. A node of the section that needs the old value of a storage could
 * find it overwritten by an earlier one. The section is then empty, and every assignment becomes a copy at
 * the very end.
 */
export function commitSection(graph: Graph): Set<GraphNode> {
  const assigned = new Map(graph.assignments.map((a) => [a.value, a.storage]));
  const commit = new Set<GraphNode>();
  const late = new Set<Value>();
  for (const node of graph.nodes) {
    if (node.op.schedule === 'gate') continue;
    if (node.inputs.some((v) => late.has(v)) || updatesInPlace(node, assigned)) {
      commit.add(node);
      for (const output of node.outputs) late.add(output);
    }
  }
  return readsOldState(graph, commit) ? new Set() : commit;
}

function updatesInPlace(node: GraphNode, assigned: ReadonlyMap<Value, unknown>): boolean {
  const pairs = node.op.inPlaceState?.(node.attrs) ?? [];
  return pairs.some(([output, input]) => {
    const leaf = node.inputs[input]!.leaf;
    return leaf?.kind === 'storage' && assigned.get(node.outputs[output]!) === leaf.storage;
  });
}

/** The value whose memory this one shares, through any number of views. */
function memoryOf(value: Value, viewed: ReadonlyMap<Value, Value>): Value {
  let root = value;
  for (let next = viewed.get(root); next !== undefined; next = viewed.get(root)) root = next;
  return root;
}

/** Whether some commit node reads a storage that an earlier commit node has already overwritten. */
function readsOldState(graph: Graph, commit: ReadonlySet<GraphNode>): boolean {
  const storageOf = new Map(graph.assignments.map((a) => [a.value, a.storage]));
  const viewed = new Map(
    graph.nodes.flatMap((n) => (n.op.view ? [[n.outputs[0]!, n.inputs[0]!] as const] : [])),
  );
  const overwritten = new Set<unknown>();
  for (const node of graph.nodes) {
    if (!commit.has(node)) continue;
    for (const input of node.inputs) {
      const { leaf } = memoryOf(input, viewed);
      if (leaf?.kind === 'storage' && overwritten.has(leaf.storage)) return true;
    }
    for (const output of node.outputs) {
      const storage = storageOf.get(output);
      if (storage !== undefined) overwritten.add(storage);
    }
  }
  return false;
}
