/** From nodes to kernel calls, which each op's `lower` writes. Memory comes later (plan.ts). */
import type { DType, KernelAttrs, Target } from '../native';
import { bytesPerElement, storedDType } from '../tensor/dtype';
import { physicalDims, numel } from '../tensor/shape';
import type { TensorType } from '../tensor/tensor';
import { nothingFused, type Fused } from '../graph/facts';
import type { Lowering, Operand, Slot } from '../graph/lowering';
import type { Storage } from '../tensor/storage';
import { stateOf, type CommitSection } from './commit';
import type { Graph, GraphNode, Value } from './ir';

export interface KernelCall {
  readonly kernel: string;
  readonly inputs: readonly Operand[];
  readonly outputs: readonly Operand[];
  readonly attrs: KernelAttrs;
  /** Output 0 may take the memory of one of these inputs if nothing reads it later. */
  readonly inPlace: readonly number[];
  readonly scope: string;
  readonly op: string;
  /** What passes have to say about it; undefined: nothing. */
  readonly note?: string | undefined;
  /** Whether parts that run together make it as one. */
  readonly together?: true;
}

/** The memory at the end of alias chains. */
export function rootOf(slot: Slot): Slot {
  let root = slot;
  while (root.alias !== undefined) root = root.alias;
  return root;
}

class GraphLowering implements Lowering {
  readonly target: Target;
  readonly calls: KernelCall[] = [];
  private readonly slots = new Map<Value, Slot>();
  private node!: GraphNode;
  private nextSlot = 0;

  constructor(target: Target) {
    this.target = target;
  }

  lowerNode(node: GraphNode): void {
    this.node = node;
    node.op.lower(this, node.attrs);
  }

  get inputs(): Operand[] {
    return this.node.inputs.map((value) => this.operandOf(value));
  }

  get outputs(): Operand[] {
    return this.node.outputs.map((value) => this.operandOf(value));
  }

  get inputTypes(): readonly TensorType[] {
    return this.node.inputs.map((value) => value.type);
  }

  get outputTypes(): readonly TensorType[] {
    return this.node.outputs.map((value) => value.type);
  }

  get fused(): Fused {
    return this.node.fused ?? nothingFused;
  }

  call(
    kernel: string,
    inputs: Operand[],
    outputs: Operand[],
    attrs: KernelAttrs = {},
    inPlace: number[] = [],
  ): void {
    this.calls.push({
      kernel,
      inputs,
      outputs,
      attrs,
      inPlace,
      scope: this.node.scope,
      op: this.node.op.name,
      note: this.node.note,
    });
  }

  callTogether(kernel: string, inputs: Operand[], outputs: Operand[], attrs: KernelAttrs): void {
    this.call(kernel, inputs, outputs, attrs);
    this.calls.push({ ...this.calls.pop()!, together: true });
  }

  forOperands(kernel: string): string {
    return this.inputs[0]!.dtype === 'bf16' ? `${kernel}_bf16` : kernel;
  }

  temp(dims: readonly number[], dtype: DType): Operand {
    const bytes = numel(dims) * bytesPerElement(dtype, this.target);
    return { slot: { id: this.nextSlot++, bytes }, dtype, dims };
  }

  view(operand: Operand, dims: readonly number[]): Operand {
    return { ...operand, dims };
  }

  alias(output: Operand, operand: Operand): void {
    output.slot.alias = operand.slot;
  }

  operandOf(value: Value): Operand {
    let slot = this.slots.get(value);
    if (slot === undefined) {
      const bytes = numel(value.type.shape) * bytesPerElement(value.type.dtype, this.target);
      slot = { id: this.nextSlot++, bytes, ...(value.leaf && { leaf: value.leaf }) };
      this.slots.set(value, slot);
    }
    return { slot, dtype: value.type.dtype, dims: physicalDims(value.type.shape) };
  }

  stored(dtype: DType): DType {
    return storedDType(dtype, this.target);
  }
}

/** A graph turned into calls, split where the commit section begins. */
export interface Lowered {
  readonly calls: KernelCall[];
  readonly commitStart: number;
  readonly outputs: Operand[];
}

/** Lowers nodes in order; the nodes of `commit` and the copies of assigned values form the commit section. */
export function lowerGraph(graph: Graph, commit: CommitSection, target: Target): Lowered {
  const lowering = new GraphLowering(target);
  const storageOf = storagesOf(graph);
  for (const [value, storage] of commit.early) storageOf.set(value, storage);
  const main = graph.nodes.filter((n) => !commit.nodes.has(n) && n.op.schedule !== 'gate');
  const gates = graph.nodes.filter((n) => n.op.schedule === 'gate');
  for (const node of withEarly(main)) {
    if (node.op.schedule === 'early') aliasState(storageOf, node, lowering);
    lowering.lowerNode(node);
  }
  const staged = stageOldState(graph, lowering);
  for (const node of gates) {
    aliasState(storageOf, node, lowering);
    lowering.lowerNode(node);
  }
  const commitStart = lowering.calls.length;
  for (const node of graph.nodes) {
    if (!commit.nodes.has(node)) continue;
    aliasState(storageOf, node, lowering);
    aliasDirect(commit, node, lowering);
    lowering.lowerNode(node);
  }
  commitCopies(graph, staged, lowering);
  const outputs = graph.outputs.map((v) => staged.get(v) ?? lowering.operandOf(v));
  return { calls: lowering.calls, commitStart, outputs };
}

/**
 * The nodes, each early one right behind the nodes that make its inputs, and behind the early one before it.
 */
function withEarly(nodes: readonly GraphNode[]): GraphNode[] {
  const early = nodes.filter((n) => n.op.schedule === 'early');
  if (early.length === 0) return [...nodes];
  const missing = new Set(nodes.flatMap((n) => n.outputs));
  const ordered: GraphNode[] = [];
  const add = (node: GraphNode): void => {
    ordered.push(node);
    for (const output of node.outputs) missing.delete(output);
  };
  for (const node of nodes) {
    if (node.op.schedule === 'early') continue;
    add(node);
    while (early[0]?.inputs.every((value) => !missing.has(value))) add(early.shift()!);
  }
  return [...ordered, ...early];
}

const syntheticScope = '';

function copy(lowering: GraphLowering, from: Operand, to: Operand): void {
  lowering.calls.push({
    kernel: 'copy',
    inputs: [from],
    outputs: [to],
    attrs: {},
    inPlace: [],
    scope: syntheticScope,
    op: 'assign',
  });
}

/**
 * Copies the old contents of storages that this program writes, where they are returned or assigned to
 * another storage (a swap).
 */
function stageOldState(graph: Graph, lowering: GraphLowering): Map<Value, Operand> {
  const staged = new Map<Value, Operand>();
  const written = new Set(graph.assignments.map((a) => a.storage));
  for (const value of [...graph.assignments.map((a) => a.value), ...graph.outputs]) {
    const from = lowering.operandOf(value);
    const leaf = rootOf(from.slot).leaf;
    if (leaf?.kind !== 'storage' || !written.has(leaf.storage) || staged.has(value)) continue;
    const to = lowering.temp(from.dims, from.dtype);
    copy(lowering, from, to);
    staged.set(value, to);
  }
  return staged;
}

/** The storage that each value is assigned to, the first of several. */
function storagesOf(graph: Graph): Map<Value, Storage> {
  return new Map([...graph.assignments].reverse().map(({ value, storage }) => [value, storage]));
}

/** Gives the outputs that update persistent state the memory of that state. */
function aliasState(storageOf: ReadonlyMap<Value, Storage>, node: GraphNode, lowering: GraphLowering): void {
  for (const [output, input] of node.op.inPlaceState?.(node.attrs) ?? []) {
    const state = node.inputs[input]!;
    const value = node.outputs[output]!;
    const target = storageOf.get(value);
    if (target === undefined || stateOf(state, storageOf) !== target) continue;
    lowering.operandOf(value).slot.alias = lowering.operandOf(state).slot;
  }
}

/** Gives the outputs that are made in the storage they are assigned to its memory. */
function aliasDirect({ direct }: CommitSection, node: GraphNode, lowering: GraphLowering): void {
  for (const value of node.outputs) {
    const storage = direct.get(value);
    if (storage === undefined) continue;
    lowering.operandOf(value).slot.alias = lowering.operandOf(leafOf(storage)).slot;
  }
}

function leafOf(storage: Storage): Value {
  return { type: { shape: storage.shape, dtype: storage.dtype }, leaf: { kind: 'storage', storage } };
}

function commitCopies(graph: Graph, staged: ReadonlyMap<Value, Operand>, lowering: GraphLowering): void {
  for (const { storage, value } of graph.assignments) {
    const from = staged.get(value) ?? lowering.operandOf(value);
    const root = rootOf(from.slot);
    if (root.leaf?.kind === 'storage' && root.leaf.storage === storage) continue;
    copy(lowering, from, lowering.operandOf(leafOf(storage)));
  }
}
