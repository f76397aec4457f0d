/**
 * Mixed precision: which values of a graph are stored as bf16, and where casts stand. Recording and differentiation know f32 only;
 * this pass runs on the finished graph, before fusion. What stays f32: parameters and their gradients, optimizer state, statistics,
 * losses. Arithmetic inside kernels is f32 throughout.
 */
import { castOp } from '../../ops/cast';
import { consumersOf, type Graph, type GraphNode, type Value } from '../ir';
import type { OpRecord } from '../../graph/op';

/** How an op treats bf16. An op without a rule takes and gives f32. */
type Rule =
  /**
   * Operands `bf16` are cast to it, `free` ones are taken as they come, the others (parameters) are f32. Output 0 is f32, or
   * 'either': bf16 where a reader takes that, else f32.
   */
  | {
      readonly kind: 'product';
      readonly bf16: readonly number[];
      readonly free?: readonly number[];
      readonly output: 'f32' | 'either';
    }
  /** Reads input 0 as it comes. */
  | { readonly kind: 'reader'; readonly output: 'f32' | 'either' }
  /** Inputs `group` (default: all) and output 0 have one type: bf16 where all of `from` (default: the group) are. Others are f32. */
  | { readonly kind: 'alike'; readonly group?: readonly number[]; readonly from?: readonly number[] };

const alike: Rule = { kind: 'alike' };
/** dy is brought to the type of what the forward pass saved. */
const backward: Rule = { kind: 'alike', group: [0, 1], from: [1] };
const firstAlike: Rule = { kind: 'alike', group: [0] };

const pointwise = [
  'relu',
  'relu6',
  'leaky_relu',
  'elu',
  'gelu',
  'silu',
  'tanh',
  'sigmoid',
  'exp',
  'log',
  'sqrt',
  'square',
  'abs',
];

const rules: ReadonlyMap<string, Rule> = new Map<string, Rule>([
  ['conv2d', { kind: 'product', bf16: [0], output: 'either' }],
  ['conv2d_backward_data', { kind: 'product', bf16: [0], output: 'either' }],
  ['conv2d_backward_weights', { kind: 'product', bf16: [0, 1], output: 'f32' }],
  ['conv_transpose2d', { kind: 'product', bf16: [0], output: 'either' }],
  ['linear', { kind: 'product', bf16: [0], output: 'either' }],
  ['linear_backward_weights', { kind: 'product', bf16: [0, 1], output: 'f32' }],
  ['matmul', { kind: 'product', bf16: [0], free: [1], output: 'either' }],
  ['reduce_sum', { kind: 'reader', output: 'f32' }],
  ['broadcast', { kind: 'reader', output: 'either' }],
  ['batch_norm_train', firstAlike],
  ['batch_norm_eval', firstAlike],
  ['batch_norm_backward', backward],
  ['batch_norm_eval_backward', backward],
  ['group_norm', firstAlike],
  ['group_norm_backward', backward],
  ['max_pool2d', firstAlike],
  ['max_pool2d_backward', firstAlike],
  ['fractional_max_pool2d', firstAlike],
  ['fractional_max_pool2d_backward', firstAlike],
  ['avg_pool2d', firstAlike],
  ['avg_pool2d_backward', firstAlike],
  ['dropout', firstAlike],
  ...pointwise.flatMap((name): [string, Rule][] => [
    [name, alike],
    [`${name}_backward`, backward],
  ]),
  ...['affine', 'add', 'sub', 'mul', 'div', 'maximum', 'minimum'].map((n): [string, Rule] => [n, alike]),
  ...['reshape', 'from_logical', 'to_logical', 'permute', 'concat', 'slice'].map((n): [string, Rule] => [
    n,
    alike,
  ]),
]);

export function autocast(graph: Graph): Graph {
  return new Autocast(graph).run();
}

type Type = 'f32' | 'bf16';

class Autocast {
  private readonly consumers: ReadonlyMap<Value, GraphNode[]>;
  private readonly nodes: GraphNode[] = [];
  private readonly casts = new Map<Value, Value>();

  constructor(private readonly graph: Graph) {
    this.consumers = consumersOf(graph);
  }

  run(): Graph {
    for (const node of this.graph.nodes) {
      this.typeNode(node);
      this.nodes.push(node);
    }
    const asF32 = (v: Value): Value => this.as(v, 'f32', '');
    for (const assignment of this.graph.assignments) assignment.value = asF32(assignment.value);
    return { nodes: this.nodes, outputs: this.graph.outputs.map(asF32), assignments: this.graph.assignments };
  }

  private typeNode(node: GraphNode): void {
    const rule = rules.get(node.op.name);
    const all = [...node.inputs.keys()];
    switch (rule?.kind) {
      case undefined:
        return this.cast(node, all, 'f32');
      case 'product': {
        const { bf16, free = [], output } = rule;
        this.cast(node, bf16, 'bf16');
        this.cast(
          node,
          all.filter((i) => !bf16.includes(i) && !free.includes(i)),
          'f32',
        );
        return output === 'either' ? this.chooseOutput(node) : undefined;
      }
      case 'reader':
        return rule.output === 'either' ? this.chooseOutput(node) : undefined;
      case 'alike': {
        const { group = all } = rule;
        const narrow = (rule.from ?? group).every((i) => node.inputs[i]!.type.dtype === 'bf16');
        this.cast(node, group, narrow ? 'bf16' : 'f32');
        this.cast(
          node,
          all.filter((i) => !group.includes(i)),
          'f32',
        );
        if (narrow) store(node.outputs[0]!);
      }
    }
  }

  private cast(node: GraphNode, operands: readonly number[], type: Type): void {
    for (const i of operands) node.inputs[i] = this.as(node.inputs[i]!, type, node.scope);
  }

  /** Stores output 0 as bf16 where that is how some reader takes it. */
  private chooseOutput(node: GraphNode): void {
    const output = node.outputs[0]!;
    const taken = (this.consumers.get(output) ?? []).some((reader) => {
      const rule = rules.get(reader.op.name);
      if (rule === undefined) return false;
      return rule.kind !== 'product' || rule.bf16.some((i) => reader.inputs[i] === output);
    });
    if (taken) store(output);
  }

  /** The value in this type: itself, or a cast, one for all its readers. */
  private as(value: Value, type: Type, scope: string): Value {
    const { dtype, shape } = value.type;
    if (dtype === type || (dtype !== 'f32' && dtype !== 'bf16')) return value;
    const known = this.casts.get(value);
    if (known !== undefined) return known;
    const converted: Value = { type: { shape, dtype: type } };
    this.casts.set(value, converted);
    this.nodes.push({
      op: castOp as OpRecord<unknown>,
      attrs: { dtype: type },
      inputs: [value],
      outputs: [converted],
      scope,
    });
    return converted;
  }
}

function store(value: Value): void {
  value.type = { shape: value.type.shape, dtype: 'bf16' };
}
