/**
 * Which nodes make up the commit section: the updates of persistent state that run last, and only when the
 * step is finite.
 */
import type { Storage } from '../tensor/storage';
import { consumersOf, type Graph, type GraphNode, type Value } from './ir';

/** What runs last. */
export interface CommitSection {
  readonly nodes: ReadonlySet<GraphNode>;
  /**
   * Values that their nodes, which are in the section, write straight into the storage they are assigned to.
   */
  readonly direct: ReadonlyMap<Value, Storage>;
  /** Stages of states that nodes which run early have updated, and whose they are. */
  readonly early: ReadonlyMap<Value, Storage>;
}

/** The section of a program that writes nothing, or writes everything by copies. */
export const nothingInPlace: CommitSection = { nodes: new Set(), direct: new Map(), early: new Map() };

/**
 * A node belongs to the commit section if it can update in place a storage that the program assigns, if it
 * only makes what is assigned, or if it reads the output of such a node. A node of the section that needs the
 * old value of a storage could find it overwritten by an earlier one. The section is then empty, and every
 * assignment becomes a copy at the very end.
 */
export function commitSection(graph: Graph): CommitSection {
  const assigned = new Map(graph.assignments.map((a) => [a.value, a.storage]));
  const early = earlyStates(graph);
  const direct = directValues(graph);
  const commit = new Set<GraphNode>();
  const late = new Set<Value>();
  for (const node of graph.nodes) {
    if (node.op.schedule !== undefined) continue;
    const makes = node.outputs.some((value) => direct.has(value));
    if (makes || node.inputs.some((v) => late.has(v)) || updatesInPlace(node, assigned, early)) {
      commit.add(node);
      for (const output of node.outputs) late.add(output);
    }
  }
  return readsOldState(graph, commit) ? { ...nothingInPlace, early } : { nodes: commit, direct, early };
}

/**
 * Values that are made from nothing (constants, random numbers) for one storage, where nothing else sees the
 * value or the old contents of the storage. Initial weights are drawn so: in the arena they would take their
 * memory again.
 */
function directValues(graph: Graph): Map<Value, Storage> {
  const readers = consumersOf(graph);
  const seen = new Set<Value>([...graph.outputs, ...readers.keys()]);
  const old = new Set<Storage>();
  for (const { leaf } of [...seen, ...graph.assignments.map((a) => a.value)])
    if (leaf?.kind === 'storage') old.add(leaf.storage);
  const made = new Set(graph.nodes.flatMap((n) => (n.inputs.length === 0 ? n.outputs : [])));
  const direct = new Map<Value, Storage>();
  const twice = new Set<Value>();
  for (const { storage, value } of graph.assignments) {
    if (direct.has(value)) twice.add(value);
    if (made.has(value) && !seen.has(value) && !old.has(storage)) direct.set(value, storage);
  }
  for (const value of twice) direct.delete(value);
  return direct;
}

function updatesInPlace(
  node: GraphNode,
  assigned: ReadonlyMap<Value, Storage>,
  early: ReadonlyMap<Value, Storage>,
): boolean {
  const pairs = node.op.inPlaceState?.(node.attrs) ?? [];
  return pairs.some(([output, input]) => {
    const storage = stateOf(node.inputs[input]!, early);
    return storage !== undefined && assigned.get(node.outputs[output]!) === storage;
  });
}

/** The storage that a value is the state of, at whatever stage. */
export function stateOf(value: Value, early: ReadonlyMap<Value, Storage>): Storage | undefined {
  return value.leaf?.kind === 'storage' ? value.leaf.storage : early.get(value);
}

/**
 * Stages of states between the old one and the one that is assigned: nodes that run early update the
 * storage in place, one after the other. Nothing else reads a stage.
 */
function earlyStates(graph: Graph): Map<Value, Storage> {
  const assigned = new Set(graph.assignments.map((a) => a.storage));
  const states = new Map<Value, Storage>();
  for (const node of graph.nodes) {
    if (node.op.schedule !== 'early') continue;
    for (const [output, input] of node.op.inPlaceState?.(node.attrs) ?? []) {
      const storage = stateOf(node.inputs[input]!, states);
      if (storage !== undefined && assigned.has(storage)) states.set(node.outputs[output]!, storage);
    }
  }
  return states;
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
