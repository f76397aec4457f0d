/**
 * Mixed precision: decides which values of a graph are stored as bf16, and adds the casts between them.
 * Recording and differentiation know f32 only; this pass runs on the finished graph, before fusion. Each op
 * says how it treats bf16 (lib/graph/facts.ts).
 *
 * The pass is one walk over the nodes, not a list of rules. A node's type follows from the types before it
 * and from what its readers take, so the walk visits each node exactly once, in order, and changes types
 * rather than nodes.
 */
import { info } from '../../native';
import { castOp } from '../../ops/cast';
import type { Bf16 } from '../../graph/facts';
import { consumersOf, newNode, type Graph, type GraphNode, type Value } from '../ir';

/** The graph itself where the processor has no bf16 units: emulating them takes longer than fp32 does. */
export function autocast(graph: Graph, predict: boolean): Graph {
  return info().bf16.path === 'fp32' ? graph : new Autocast(graph, predict).run();
}

type Type = 'f32' | 'bf16';

class Autocast {
  private readonly consumers: ReadonlyMap<Value, GraphNode[]>;
  private readonly nodes: GraphNode[] = [];
  private readonly casts = new Map<Value, Value>();

  constructor(
    private readonly graph: Graph,
    private readonly predict: boolean,
  ) {
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

  /** How the op of the node treats bf16 for the shapes that it has here. */
  private ruleOf(node: GraphNode): Bf16 {
    const rule = node.op.bf16;
    if (rule === 'f32' || rule.kind !== 'product' || rule.staysF32 === undefined) return rule;
    const inputs = node.inputs.map(({ type }) => type.shape);
    const reason = rule.staysF32({ inputs, output: node.outputs[0]!.type.shape, predict: this.predict });
    if (reason === undefined) return rule;
    node.note = reason;
    return 'f32';
  }

  private typeNode(node: GraphNode): void {
    const rule = this.ruleOf(node);
    const all = [...node.inputs.keys()];
    if (rule === 'f32') return this.cast(node, all, 'f32');
    switch (rule.kind) {
      case 'product': {
        const { operands, free = [], output } = rule;
        this.cast(node, operands, 'bf16');
        this.cast(
          node,
          all.filter((i) => !operands.includes(i) && !free.includes(i)),
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
        if (narrow && rule.output === undefined) store(node.outputs[0]!);
      }
    }
  }

  private cast(node: GraphNode, operands: readonly number[], type: Type): void {
    for (const i of operands) node.inputs[i] = this.as(node.inputs[i]!, type, node.scope);
  }

  /** Stores output 0 as bf16 if some reader takes it so. */
  private chooseOutput(node: GraphNode): void {
    const output = node.outputs[0]!;
    const taken = (this.consumers.get(output) ?? []).some((reader) => {
      const rule = this.ruleOf(reader);
      if (rule === 'f32') return false;
      return rule.kind !== 'product' || rule.operands.some((i) => reader.inputs[i] === output);
    });
    if (taken) store(output);
  }

  /** The value in this type: the value itself, or a cast that all its readers share. */
  private as(value: Value, type: Type, scope: string): Value {
    const { dtype, shape } = value.type;
    if (dtype === type || (dtype !== 'f32' && dtype !== 'bf16')) return value;
    const known = this.casts.get(value);
    if (known !== undefined) return known;
    const converted: Value = { type: { shape, dtype: type } };
    this.casts.set(value, converted);
    this.nodes.push(newNode({ op: castOp, attrs: { dtype: type } }, [value], [converted], scope));
    return converted;
  }
}

function store(value: Value): void {
  value.type = { shape: value.type.shape, dtype: 'bf16' };
}
