/**
 * The rewriter, over graphs of ops that only state facts: an activation, something it can move into, a sum.
 */
import { activations } from '../../lib/graph/facts';
import type { OpRecord } from '../../lib/graph/op';
import { newNode, type Graph, type GraphNode, type Value } from '../../lib/compile/ir';
import { maker, node, onlyReader, rewrite, rule } from '../../lib/compile/rewrite';

function op(name: string, facts: Partial<OpRecord<null>> = {}): OpRecord<null> {
  return { name, bf16: 'f32', infer: () => [], lower: () => undefined, ...facts };
}

const layer = op('layer', { applies: [activations.relu] });
const relu = op('relu', { activation: activations.relu });
const sum = op('sum', { adds: true });
const plain = op('plain');

function value(): Value {
  return { type: { shape: [2], dtype: 'f32' } };
}

function apply(of: OpRecord<null>, ...inputs: Value[]): GraphNode {
  return newNode({ op: of, attrs: null }, inputs, [value()], '');
}

const out = (n: GraphNode): Value => n.outputs[0]!;
const graphOf = (nodes: GraphNode[], ...outputs: Value[]): Graph => ({ nodes, outputs, assignments: [] });
const names = ({ nodes }: Graph): string[] => nodes.map((n) => n.op.name);

/** layer -> relu: the layer makes what relu made. */
const fuse = rule({ first: node('applies'), then: onlyReader('first', 'activation') }, ({ first, then }) => [
  { node: first, outputs: then.outputs },
]);

describe('a rule', () => {
  it('replaces in place what it matches, and sweeps away what nobody needs any more', () => {
    const [a, b] = [apply(layer), apply(layer)];
    const [ra, rb] = [apply(relu, out(a)), apply(relu, out(b))];
    const last = apply(sum, out(ra), out(rb));
    const result = rewrite(graphOf([a, ra, b, rb, last], out(last)), [[fuse]]);
    expect(result.nodes).toEqual([a, b, last]);
    expect(last.inputs).toEqual([out(a), out(b)]);
  });

  it('takes for an only reader one operand of one node, of a value that stays inside', () => {
    const read = apply(layer);
    const twice = apply(layer);
    const returned = apply(layer);
    const nodes = [
      ...[read, apply(relu, out(read)), apply(plain, out(read))],
      ...[twice, newNode({ op: relu, attrs: null }, [out(twice), out(twice)], [value()], '')],
      ...[returned, apply(relu, out(returned))],
    ];
    const graph = graphOf(nodes, out(returned), ...nodes.filter((n) => n.op.name !== 'layer').map(out));
    const before = names(graph);
    expect(rewrite(graph, [[fuse]]).nodes).toBe(nodes);
    expect(names(graph)).toEqual(before);
  });

  it('sees what earlier matches made of the graph', () => {
    const first = apply(layer);
    const [inner, outer] = [apply(relu, out(first)), apply(relu)];
    outer.inputs = [out(inner)];
    const again = rule({ then: node('activation'), made: maker('then', 0, 'applies') }, ({ then, made }) => [
      { node: made, outputs: then.outputs },
    ]);
    const result = rewrite(graphOf([first, inner, outer], out(outer)), [[again]]);
    expect(result.nodes).toEqual([first]);
    expect(result.outputs).toEqual([out(first)]);
  });

  it('removes chains of any length, but nothing that is read elsewhere or returned', () => {
    const kept = apply(plain);
    const chain = [apply(plain, out(kept))];
    for (let i = 0; i < 20_000; i++) chain.push(apply(plain, out(chain[i]!)));
    const source = value();
    const end = apply(sum, out(chain.at(-1)!), source);
    const shortcut = rule({ end: node('adds') }, (match) => [{ node: match.end, inputs: [source] }]);
    const result = rewrite(graphOf([kept, ...chain, end], out(end), out(kept)), [[shortcut]]);
    expect(result.nodes).toEqual([kept, end]);
  });

  it('removes a node that its replacement leaves nothing to make', () => {
    const [emptied, kept] = [apply(sum), apply(plain)];
    const empty = rule({ target: node('adds') }, (match) => [{ node: match.target, outputs: [] }]);
    expect(rewrite(graphOf([emptied, kept], out(kept)), [[empty]]).nodes).toEqual([kept]);
  });

  it('adds nodes before their first reader', () => {
    const [before, target, after] = [apply(plain), apply(sum), apply(plain)];
    const added = apply(plain);
    const insert = rule({ target: node('adds') }, (match) => [
      { node: added },
      { node: match.target, inputs: [out(added)] },
    ]);
    const graph = graphOf([before, target, after], out(before), out(target), out(after));
    expect(rewrite(graph, [[insert]]).nodes).toEqual([before, added, target, after]);
  });

  it('exchanges outputs between nodes in one replacement', () => {
    const x = value();
    const first = apply(layer, x);
    const second = apply(relu, out(first));
    const swap = rule({ second: node('activation'), first: maker('second', 0, 'applies') }, (match) => {
      const between = value();
      return [
        { node: match.first, inputs: [between], outputs: match.second.outputs },
        { node: match.second, inputs: [x], outputs: [between] },
      ];
    });
    const result = rewrite(graphOf([first, second], out(second)), [[swap]]);
    expect(names(result)).toEqual(['relu', 'layer']);
    expect(out(result.nodes[1]!)).toBe(result.outputs[0]);
  });

  it('names nodes of its own pattern, and facts that exist', () => {
    // @ts-expect-error: there is no node of this name
    rule({ first: node('applies'), then: onlyReader('fist', 'activation') }, () => undefined);
    // @ts-expect-error: an op has a name, but that is not a fact
    node('name');
    expect(fuse.steps.map(([name]) => name)).toEqual(['first', 'then']);
  });
});
