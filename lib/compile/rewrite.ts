/**
 * The only way in which passes change a graph: rules of a pattern and its replacement, as in tinygrad's
 * PatternMatcher. Patterns ask ops for facts (lib/graph/facts.ts), never for their names.
 */
import type { Facts } from '../graph/facts';
import type { Storage } from '../tensor/storage';
import { consumersOf, escaping, makersOf, sortTopologically } from './ir';
import type { Graph, GraphNode, Value } from './ir';

type Fact = keyof Facts<unknown>;

/** A node whose op states this fact. */
type Stating<F extends Fact> = GraphNode & { readonly op: Required<Pick<Facts<unknown>, F>> };

/** The nodes that a search has bound so far. */
type Found = Readonly<Record<string, GraphNode>>;

/** One node of a pattern: the fact that its op states, and where the search looks for it. */
interface Step<F extends Fact, From extends string = string> {
  readonly fact: F;
  /** A node of the pattern, bound before this one. */
  readonly from?: From;
  readonly find: (found: Found, graph: Rewriter) => readonly GraphNode[];
}

/** The name under which a search begins; the first step of a pattern gives it another. */
const start = '';

/** Every node of the graph in turn: the first step of a pattern. */
export function node<F extends Fact>(fact: F): Step<F, never> {
  return { fact, find: (found) => [found[start]!] };
}

/** The node that alone reads output 0 of `from`. */
export function onlyReader<F extends Fact, From extends string>(from: From, fact: F): Step<F, From> {
  const find = (found: Found, graph: Rewriter): readonly GraphNode[] => {
    const value = found[from]!.outputs[0]!;
    return graph.isOnlyRead(value) ? graph.readers(value) : [];
  };
  return { fact, from, find };
}

/** The node that makes input `i` of `from`. */
export function maker<F extends Fact, From extends string>(from: From, i: number, fact: F): Step<F, From> {
  const find = (found: Found, graph: Rewriter): readonly GraphNode[] => {
    const value = found[from]!.inputs[i];
    const made = value && graph.maker(value);
    return made === undefined ? [] : [made];
  };
  return { fact, from, find };
}

/** Each node that makes an input of `from`. */
export function anyMaker<F extends Fact, From extends string>(from: From, fact: F): Step<F, From> {
  const find = (found: Found, graph: Rewriter): readonly GraphNode[] =>
    found[from]!.inputs.flatMap((value) => graph.maker(value) ?? []);
  return { fact, from, find };
}

/** Each node that reads output 0 of `from`. */
export function anyReader<F extends Fact, From extends string>(from: From, fact: F): Step<F, From> {
  return { fact, from, find: (found, graph) => graph.readers(found[from]!.outputs[0]!) };
}

/** Nodes by name, in the order in which the search binds them. */
type Pattern<P> = { readonly [Name in keyof P]: Step<Fact, keyof P & string> };

type Match<P> = { readonly [Name in keyof P]: P[Name] extends Step<infer F> ? Stating<F> : never };

/** New contents of a node, which keeps its place, or a node that the graph does not have yet. */
export type Change = { readonly node: GraphNode } & Partial<GraphNode>;

export interface Rule {
  /** The fact that the first node states. Most nodes do not state it, and are skipped at once. */
  readonly fact: Fact;
  readonly steps: readonly (readonly [name: string, step: Step<Fact>])[];
  readonly replace: (found: Found, graph: Rewriter) => readonly Change[] | undefined;
}

/**
 * `replace` returns the changes for a match, or undefined if the rule does not apply to it after all.
 */
export function rule<P extends Pattern<P>>(
  pattern: P,
  replace: (match: Match<P>, graph: Rewriter) => readonly Change[] | undefined,
): Rule {
  const steps = Object.entries<Step<Fact>>(pattern);
  const { fact } = steps[0]![1];
  // A search binds every name of the pattern, each to a node that states the step's fact.
  return { fact, steps, replace: (found, graph) => replace(found as Match<P>, graph) };
}

/**
 * Runs the passes one after the other. A pass tries its rules at every node, in order. Each match is replaced
 * at once, and nodes that nobody needs any more are swept away.
 */
export function rewrite(graph: Graph, passes: readonly (readonly Rule[])[]): Graph {
  const rewriter = new Rewriter(graph);
  for (const rules of passes) rewriter.run(rules);
  return { ...graph, nodes: rewriter.nodes };
}

/** A graph that changes, with the node that makes each value and the nodes that read it. */
export class Rewriter {
  private readonly alive: Set<GraphNode>;
  private readonly makers: Map<Value, GraphNode>;
  private readonly consumers: Map<Value, GraphNode[]>;
  private readonly outside: ReadonlySet<Value>;
  private readonly written: ReadonlySet<Storage>;
  private changed = false;
  /** In execution order. */
  nodes: GraphNode[];

  constructor(graph: Graph) {
    this.nodes = graph.nodes;
    this.alive = new Set(graph.nodes);
    this.makers = makersOf(graph);
    this.consumers = consumersOf(graph);
    this.outside = escaping(graph);
    this.written = new Set(graph.assignments.map((a) => a.storage));
  }

  maker(value: Value): GraphNode | undefined {
    return this.makers.get(value);
  }

  /** A node that reads the value twice is listed twice. */
  readers(value: Value): readonly GraphNode[] {
    return this.consumers.get(value) ?? [];
  }

  /** Whether the value leaves the graph: it is returned or assigned. */
  escapes(value: Value): boolean {
    return this.outside.has(value);
  }

  /** Whether the value is memory that the program does not write. */
  isStored({ leaf }: Value): boolean {
    return leaf?.kind === 'storage' && !this.written.has(leaf.storage);
  }

  /** Whether one operand of one node is all that sees the value. */
  isOnlyRead(value: Value): boolean {
    return this.readers(value).length === 1 && !this.escapes(value);
  }

  run(rules: readonly Rule[]): void {
    this.changed = false;
    for (const root of this.nodes)
      for (const one of rules) if (root.op[one.fact] !== undefined) this.search(one, 0, { [start]: root });
    // New nodes stand at the end; the sort moves those that others read before their first reader.
    if (this.changed) this.nodes = sortTopologically([...this.alive]);
  }

  /** Binds the steps from `index` on, each to every candidate in turn, and replaces each match. */
  private search(one: Rule, index: number, found: Found): void {
    const step = one.steps[index];
    if (step === undefined) return this.change(one.replace(found, this) ?? []);
    const [name, { fact, find }] = step;
    for (const candidate of find(found, this))
      if (candidate.op[fact] !== undefined && this.alive.has(candidate))
        this.search(one, index + 1, { ...found, [name]: candidate });
  }

  private change(changes: readonly Change[]): void {
    const suspects = changes.map((change) => change.node);
    for (const { node: target, ...contents } of changes) {
      this.changed = true;
      this.alive.add(target);
      for (const value of target.inputs) suspects.push(...this.stopReading(value, target));
      for (const value of target.outputs) if (this.maker(value) === target) this.makers.delete(value);
      Object.assign(target, contents);
      for (const value of target.inputs) this.consumers.set(value, [...this.readers(value), target]);
      for (const value of target.outputs) {
        const before = this.maker(value);
        if (before !== undefined) suspects.push(before);
        this.makers.set(value, target);
      }
    }
    this.sweep(suspects);
  }

  /** Notes that the node no longer reads the value; returns the node that makes it. */
  private stopReading(value: Value, reader: GraphNode): readonly GraphNode[] {
    const others = this.readers(value).filter((other) => other !== reader);
    this.consumers.set(value, others);
    const made = this.maker(value);
    return made === undefined ? [] : [made];
  }

  /**
   * Removes those of the nodes whose outputs are neither read nor leave the graph, and then what
   * only they needed.
   */
  private sweep(suspects: GraphNode[]): void {
    for (let suspect = suspects.pop(); suspect !== undefined; suspect = suspects.pop()) {
      if (!this.alive.has(suspect) || this.isNeeded(suspect)) continue;
      this.alive.delete(suspect);
      for (const value of suspect.inputs) suspects.push(...this.stopReading(value, suspect));
    }
  }

  private isNeeded(suspect: GraphNode): boolean {
    return suspect.outputs.some(
      (value) => this.maker(value) === suspect && (this.escapes(value) || this.readers(value).length > 0),
    );
  }
}
