/**
 * Runs a recipe outside compile(): the same capture, passes, plan and program as a compiled
 * function, used once.
 */
import { TraceError } from '../errors';
import type { Leaf } from '../graph/lowering';
import { currentTrace } from '../graph/trace';
import type { AnyArray } from '../native';
import { toLogical } from '../ops/layout';
import { Storage } from '../tensor/storage';
import { defaultTarget } from '../tensor/target';
import type { Tensor } from '../tensor/tensor';
import { setEvaluator } from '../tensor/tensor';
import { nothingInPlace } from './commit';
import { capture, checkFresh, reachableNodes } from './ir';
import { lowerGraph } from './lower';
import { runPasses } from './passes';
import { Program } from './program';

function build(root: Tensor): Program {
  checkFresh(root);
  const target = targetOf(root);
  const leafOf = (t: Tensor): Leaf => {
    const source = t.source;
    if (source.kind === 'storage') return { kind: 'storage', storage: source.storage };
    if (source.kind === 'scalar') return { kind: 'scalar', get: source.get };
    if (source.kind === 'host') {
      // A rank-4 literal is in logical order; memory of its own puts it in physical order.
      const storage = new Storage(t.shape, t.dtype, target);
      storage.fill(source.array);
      return { kind: 'storage', storage };
    }
    throw new TraceError(
      'this tensor belongs to a function that is being compiled; return it to see its values',
    );
  };
  const graph = runPasses(capture([toLogical(root)], new Map(), leafOf));
  const lowered = lowerGraph(graph, nothingInPlace, target);
  // On the train queue, so that the values include every step that was queued before.
  return new Program(lowered, { target, queue: 'train', inputBytes: [], writes: [] });
}

/** The target of the storages that a recipe reads; the current default where it reads none. */
function targetOf(root: Tensor): 'native' | 'ref' {
  for (const node of reachableNodes([root])) {
    for (const t of node.inputs) if (t.source.kind === 'storage') return t.source.storage.target;
  }
  return defaultTarget();
}

function direct(t: Tensor): AnyArray | undefined {
  if (currentTrace() !== undefined)
    throw new TraceError(
      'data: values do not exist while a function is being compiled; return the tensor instead',
    );
  if (t.source.kind === 'host') return t.source.array.slice();
  if (t.source.kind === 'scalar') return Float64Array.of(t.source.get());
  return undefined;
}

setEvaluator({
  async evaluate(t: Tensor): Promise<AnyArray> {
    const known = direct(t);
    if (known !== undefined) return known;
    if (t.source.kind === 'storage') return t.source.storage.read();
    const program = build(t);
    try {
      return (await program.run([])).outputs[0]!;
    } finally {
      program.dispose();
    }
  },
  evaluateSync(t: Tensor): AnyArray {
    const known = direct(t);
    if (known !== undefined) return known;
    if (t.source.kind === 'storage') return t.source.storage.readSync();
    const program = build(t);
    try {
      return program.runSync([]).outputs[0]!;
    } finally {
      program.dispose();
    }
  },
});
