import { compile } from '../../lib/compile/compile';
import { grad } from '../../lib/compile/grad';
import { rootOf, type KernelCall } from '../../lib/compile/lower';
import type { Slot } from '../../lib/graph/lowering';
import { planMemory } from '../../lib/compile/plan';
import * as ops from '../../lib/ops';
import { tensor, type Tensor } from '../../lib/tensor/tensor';

/** A network with branches, so that lifetimes cross. */
function network(x: Tensor, w: Tensor, v: Tensor): Tensor {
  const a = ops.relu(ops.conv2d(x, w, undefined, { padding: 1 }));
  const b = ops.add(a, ops.sigmoid(ops.conv2d(a, v, undefined, { padding: 1 })));
  const c = ops.concat([a, ops.maxPool2d(ops.pad(b, [0, 0, 1, 1], [2, 4, 8, 8]), 3, { stride: 1 })], 1);
  return ops.mean(ops.square(c));
}

const args = [
  tensor(new Float32Array(2 * 3 * 36), [2, 3, 6, 6]),
  tensor(new Float32Array(4 * 27), [4, 3, 3, 3]),
  tensor(new Float32Array(4 * 36), [4, 4, 3, 3]),
] as [Tensor, Tensor, Tensor];

describe('memory plan', () => {
  const program = compile((x: Tensor, w: Tensor, v: Tensor) => grad(network(x, w, v), [x, w, v])).prepare(
    ...args,
  );
  const { calls, outputs } = program.lowered;
  const roots = (call: KernelCall): Slot[] => [...call.inputs, ...call.outputs].map((o) => rootOf(o.slot));

  it('never gives two live values the same bytes', () => {
    const { offsets } = planMemory(program.lowered);
    const life = new Map<Slot, [number, number]>();
    calls.forEach((call, i) => roots(call).forEach((slot) => life.set(slot, [life.get(slot)?.[0] ?? i, i])));
    outputs.forEach((o) => life.set(rootOf(o.slot), [life.get(rootOf(o.slot))?.[0] ?? 0, calls.length]));
    const placed = [...life].filter(([slot]) => slot.leaf === undefined);
    expect(placed.length).toBeGreaterThan(10);
    for (const [a, [beginA, endA]] of placed) {
      for (const [b, [beginB, endB]] of placed) {
        if (a === b || endA < beginB || endB < beginA) continue;
        const [from, to] = [offsets.get(a)!, offsets.get(b)!];
        expect(from + a.bytes <= to || to + b.bytes <= from).toBe(true);
      }
    }
  });

  it('reuses memory', () => {
    const total = [...new Set(calls.flatMap(roots))]
      .filter((s) => s.leaf === undefined)
      .reduce((n, s) => n + s.bytes, 0);
    expect(program.arenaBytes).toBeLessThan(0.7 * total);
  });

  it('reads nothing before it was written', () => {
    const written = new Set<Slot>();
    for (const call of calls) {
      for (const o of call.inputs)
        expect(rootOf(o.slot).leaf !== undefined || written.has(rootOf(o.slot))).toBe(true);
      for (const o of call.outputs) written.add(rootOf(o.slot));
    }
  });
});

describe('fusion', () => {
  it('moves activations into the kernels before them, bit for bit', () => {
    const run = (fuse: boolean): [string[], string] => {
      const f = compile(
        (x: Tensor, w: Tensor, b: Tensor) => {
          const y = ops.relu(ops.conv2d(x, w, b, { padding: 1 }));
          return [y, ...grad(ops.sum(ops.square(y)), [x, w, b])];
        },
        { fuse },
      );
      const inputs = [
        tensor(
          Float32Array.from({ length: 216 }, (_, i) => Math.sin(i)),
          [2, 3, 6, 6],
        ),
        tensor(
          Float32Array.from({ length: 108 }, (_, i) => Math.cos(i)),
          [4, 3, 3, 3],
        ),
        tensor([1, -1, 0, 2]),
      ] as const;
      const kernels = f.prepare(...inputs).lowered.calls.map((c) => c.kernel);
      return [
        kernels,
        f
          .runSync(...inputs)
          .map((t) => Buffer.from(t.dataSync().buffer).toString('hex'))
          .join(),
      ];
    };
    const [fused, bits] = run(true);
    const [unfused, sameBits] = run(false);
    expect(fused).not.toContain('relu');
    expect(unfused).toContain('relu');
    expect(bits).toBe(sameBits);
  });
});
