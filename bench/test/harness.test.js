'use strict';

/**
 * The harness against made-up systems: what it does with slow, failing and unsupported ones. Run by
 * `npm test` in bench/.
 */
const assert = require('node:assert/strict');
const path = require('node:path');
const { test } = require('node:test');
const { measureItem } = require('../lib/measure');
const { onnxModel } = require('../lib/onnx');
const { compareAll } = require('../lib/comparison');
const { goalRatio } = require('../lib/goals');
const { markdownReport, terminalReport } = require('../lib/report');
const { tunedPytorchEnvironment } = require('../lib/python');
const { bestOf } = require('../lib/peaks');
const { defaultSystems, resolveSystems } = require('../lib/systems');
const { flopsOf, leastMs } = require('../lib/work');
const { items } = require('../lib/workloads');

const item = {
  name: 'made-up',
  kind: 'train',
  input: [1],
  classes: 2,
  batch: 16,
  optimizer: null,
  layers: [],
};
const options = {
  ...{ threads: 1, rounds: 2, secondsPerRound: 0.02 },
  ...{ budgetMs: 60_000, compileBudgetMs: 60_000, log: () => {} },
};

/** A system in a process of its own, which does what `mode` says. */
function system(name, mode) {
  const args = [path.join(__dirname, 'fake-system.js'), mode];
  return { name, precision: 'fp32', takes: () => true, launch: { command: process.execPath, args } };
}

/**
 * A system on a clock that nothing but its own work moves: `prepare` ms, and `fixed + each * batch`
 * ms a step.
 */
function timed({ prepare = 0, fixed = 0, each = 0, probe = false, compiles = false }) {
  return { ...system('timed', 'ok'), probe, compiles, launch: { prepare, fixed, each } };
}

function measureTimed(launched, others) {
  let clock = 0;
  const connect = ({ prepare, fixed, each }) => {
    let batch;
    const answer = (ms, event, timeoutMs) => {
      clock += Math.min(ms, timeoutMs);
      return ms > timeoutMs ? { event: 'timeout' } : event;
    };
    return {
      kill: () => {},
      request: async ({ command, item, steps }, timeoutMs) => {
        if (command === 'prepare') {
          batch = item.batch;
          return answer(prepare, { event: 'ready', version: '1', notes: [] }, timeoutMs);
        }
        const ms = fixed + each * batch;
        return answer(ms * steps, { event: 'times', ms: Array.from({ length: steps }, () => ms) }, timeoutMs);
      },
    };
  };
  return measureItem(item, [timed(launched)], { ...options, connect, now: () => clock, ...others });
}

test('a fast system gets ten steps of the whole batch', async () => {
  const [result] = await measureTimed({ fixed: 1, probe: true });
  assert.deepEqual([result.status, result.batch, result.medianMs], ['ok', 16, 1]);
  assert.equal(result.steps, 40);
  assert.deepEqual(result.roundMediansMs, [1, 1]);
});

test('a system that is slow by the example gets a smaller batch and says so', async () => {
  const [result] = await measureTimed({ each: 60, probe: true }, { budgetMs: 2000 });
  assert.equal(result.status, 'ok');
  assert.ok(result.batch < 16, `batch: ${result.batch}`);
  assert.ok(result.notes.includes(`batch ${result.batch} instead of 16`));
});

test('a system that is slow by the step gets fewer steps of the whole batch', async () => {
  const [result] = await measureTimed({ fixed: 300, each: 0.1, probe: true }, { budgetMs: 4000 });
  assert.equal(result.status, 'ok');
  assert.equal(result.batch, 16);
  assert.ok(result.steps < 10 && result.notes.some((note) => note.endsWith('steps')), result.notes.join());
});

test('a system that gets no further than its first try reports that', async () => {
  const [result] = await measureTimed({ each: 1200, probe: true }, { budgetMs: 2000 });
  assert.equal(result.status, 'ok');
  assert.deepEqual([result.batch, result.steps], [1, 1]);
  assert.ok(result.notes.includes('1 step'));
});

test('compilation has a budget of its own', async () => {
  const compiling = (prepare, others) => measureTimed({ prepare, fixed: 10, compiles: true }, others);
  const [done] = await compiling(50_000, { budgetMs: 1000 });
  assert.deepEqual([done.status, done.preparationMs, done.medianMs], ['ok', 50_000, 10]);
  const [late] = await compiling(61_000);
  assert.deepEqual([late.status, late.reason], ['skipped', 'compilation took over 60 s (--compile-budget)']);
  const [slow] = await measureTimed({ prepare: 61_000, fixed: 10 });
  assert.equal(slow.status, 'timeout');
});

test('unsupported and failing systems do not stop the others', async () => {
  const modes = ['unsupported', 'throw', 'exit', 'ok'];
  const systems = modes.map((mode) => system(mode, mode));
  const [unsupported, broken, dead, good] = await measureItem(item, systems, options);
  assert.deepEqual([unsupported.status, unsupported.reason], ['unsupported', 'made up']);
  assert.equal(broken.status, 'error');
  assert.match(broken.reason, /broken on purpose/);
  assert.equal(dead.status, 'error');
  assert.match(dead.reason, /code 3/);
  assert.equal(good.status, 'ok');
});

test('a system that hangs is stopped', async () => {
  const [hanging] = await measureItem(item, [system('hanging', 'hang')], { ...options, budgetMs: 500 });
  assert.equal(hanging.status, 'timeout');
});

/** A figure of an item, as measureItem returns it. */
function figure(name, system, medianMs, precision = 'fp32') {
  const { kind, batch } = items.find((one) => one.name === name);
  return {
    ...{ item: name, kind, system, precision, version: '1', status: 'ok', value: 1000 / medianMs },
    ...{ medianMs, roundMediansMs: [medianMs, 1.1 * medianMs], batch, fullBatch: batch, notes: [] },
  };
}

const triad = { bytes: 30e6, plain: 10, streaming: 20 };
const peaks = {
  ...{ isa: 'avx512', bf16Path: 'amx', gflops: 200, bf16Gflops: 2000, memory: triad, cache: triad },
  moments: [100, 200],
};

/** Both reports of these results. */
function reports(results) {
  const machine = { date: 'd', cpu: 'c', cores: 2, node: '20', commit: 'abc', loadAverage: [0], peaks };
  const report = { machine, results, comparisons: compareAll(results, peaks) };
  return [terminalReport(report), markdownReport(report)];
}

test('reports show figures, reasons and deviations', () => {
  const { value, ...rest } = figure('vggs', 'jax-js', 1);
  const skipped = { ...rest, status: 'skipped', reason: 'compilation took over 300 s\nand more' };
  const noted = { ...rest, system: 'convnetjs', value, batch: 8, notes: ['batch 8 instead of 128'] };
  for (const text of reports([figure('vggs', 'tenon', 1), skipped, noted])) {
    assert.match(text, /vggs/);
    assert.match(text, /skipped \[1\]/);
    assert.match(text, /\[1\] compilation took over 300 s$/m);
    assert.match(text, /1,000 \(b8\) \[2\]/);
    assert.match(text, /\[2\] batch 8 instead of 128/);
    assert.match(
      text,
      /best of 2 moments of this run \(100 to 200 in fp32\): 200 GFLOP\/s fp32 \(avx512\), 2,000 bf16/,
    );
  }
});

test('the ONNX writer encodes every inference item', () => {
  for (const inference of items.filter(({ kind }) => kind === 'infer')) {
    const { model, output } = onnxModel(inference);
    assert.ok(model.includes(Buffer.from(output)));
  }
});

test('PyTorch is told the widest instruction set that the processor has', () => {
  const asked = (flags) => tunedPytorchEnvironment(`flags : fpu ${flags} sse`).ATEN_CPU_CAPABILITY;
  assert.equal(asked('avx2 avx512f avx512bw'), 'avx512');
  assert.equal(asked('avx2'), 'avx2');
  assert.equal(asked('avx'), undefined);
});

test('only systems with kernels are asked for kernels', async () => {
  const kernel = items.find(({ kind }) => kind === 'kernel');
  const [other, bf16] = resolveSystems(['convnetjs', 'tenon-bf16'], {});
  assert.deepEqual(await measureItem(kernel, [other], options), []);
  assert.deepEqual(
    items.filter((item) => item.kind === 'kernel' && !bf16.takes(item)).map(({ name }) => name),
    ['bn-fwd', 'bn-bwd', 'adam-11.7M'],
  );
});

test('the work of an item is counted by its layers', () => {
  const flops = (name) => flopsOf(items.find((item) => item.name === name));
  assert.equal(flops('mlp'), 128 * (6 * (784 * 256 + 256 * 128 + 1280) - 2 * 784 * 256));
  // 1.81 GMAC a picture, as everybody counts ResNet-18.
  assert.ok(Math.abs(flops('infer-resnet18-b1') / 2e9 - 1.814) < 0.001);
  // The multiply-adds of torchvision's and timm's layers, counted by hooks on them.
  assert.equal(flops('infer-mobilenetV2-b1') / 2, 300_774_272);
  assert.equal(flops('infer-efficientnetLite0-b1') / 2, 385_187_552);
  assert.equal(flops('conv-c1-fwd'), 2 * 16 * 64 * 64 * 9 * 56 * 56);
});

test('tenon is compared with the best peer of its precision, its goal and the machine', () => {
  const results = [
    figure('vggs', 'tenon', 500),
    figure('vggs', 'pytorch', 1200),
    figure('vggs', 'pytorch-compiled', 1000),
    figure('vggs', 'pytorch-compiled-bf16', 300, 'bf16'),
    figure('vggs', 'tenon-bf16', 250, 'bf16'),
    { ...figure('vggs', 'jax-js', 1), batch: 8 },
    { ...figure('vggs', 'openvino', 1), status: 'error', reason: 'r' },
  ];
  const [fp32, bf16] = compareAll(results, peaks);
  const flops = flopsOf(items.find(({ name }) => name === 'vggs'));
  assert.deepEqual(fp32, {
    ...{ item: 'vggs', kind: 'train', precision: 'fp32', peer: 'pytorch-compiled' },
    besidePeer: { ratio: 2, least: 2, most: 2, goal: 2, met: true },
    ...{ ofLimit: flops / 200e6 / 500, peerOfLimit: flops / 200e6 / 1000 },
  });
  assert.deepEqual(bf16.besidePeer, { ratio: 1.2, least: 1.2, most: 1.2, goal: 1.5, met: false });
  assert.deepEqual(bf16.besideFp32, { ratio: 2, least: 2, most: 2, goal: 1.5, met: true });
  assert.equal(bf16.ofLimit, flops / 2000e6 / 250);
  for (const text of reports(results)) {
    assert.match(text, /Training in fp32(.|\n)*pytorch-compiled[ |]+2\.00 \(2\.00-2\.00\)[ |]+2\.00[ |]+met/);
    assert.match(
      text,
      /Training in bf16(.|\n)*pytorch-compiled-bf16[ |]+1\.20 \(1\.20-1\.20\)[ |]+1\.50[ |]+not met/,
    );
    assert.match(text, /head of the best peer: 1 of 1; goals met: 0 of 1/);
  }
});

test('a kernel is bound by its arithmetic or by its bytes', () => {
  const of = (name) => items.find((item) => item.name === name);
  assert.equal(leastMs(of('conv-c1-fwd'), 'fp32', peaks), flopsOf(of('conv-c1-fwd')) / 200e6);
  // 1x1, stride 2: input, filters and output, each number 4 bytes or 2.
  const numbers = 16 * 64 * 56 * 56 + 128 * 64 + 16 * 128 * 28 * 28;
  const fast = { ...peaks, gflops: 1e6, bf16Gflops: 1e6 };
  assert.equal(leastMs(of('conv-c6-fwd'), 'fp32', fast), (4 * numbers) / 20e6);
  assert.equal(leastMs(of('conv-c6-fwd'), 'bf16', fast), (2 * numbers) / 20e6);
  assert.equal(leastMs(of('adam-11.7M'), 'fp32', peaks), (7 * 4 * 11.7e6) / 20e6);
});

test('the peak is the best of all moments', () => {
  const moment = (gflops, plain) => ({
    ...{ isa: 'avx2', bf16Path: 'emulated', gflops, bf16Gflops: gflops },
    ...{ memory: { ...triad, plain }, cache: triad },
  });
  const best = [moment(100, 12), undefined, moment(200, 9)].reduce(bestOf, undefined);
  assert.deepEqual([best.gflops, best.bf16Gflops, best.memory.plain], [200, 200, 12]);
  assert.deepEqual(best.moments, [100, 200]);
});

test('every network has a goal, in bf16 by how the processor computes it', () => {
  for (const item of items) {
    const goals = [
      goalRatio(item, 'fp32', 'amx'),
      ...['amx', 'avx512bf16', 'emulated'].map((path) => goalRatio(item, 'bf16', path)),
    ];
    if (item.kind === 'kernel') assert.deepEqual(goals, new Array(4).fill(undefined), item.name);
    else {
      assert.ok(goals[0] >= 1.3, item.name);
      assert.ok(goals[1] >= 1 && goals[2] >= 1 && goals[3] === undefined, item.name);
    }
  }
  const goal = (name, ...rest) =>
    goalRatio(
      items.find((item) => item.name === name),
      ...rest,
    );
  assert.deepEqual([goal('mlp', 'bf16', 'amx'), goal('mlp', 'bf16', 'avx512bf16')], [1.5, 1.4]);
  assert.deepEqual([goal('resnet20', 'fp32'), goal('infer-resnet18-b1', 'fp32')], [1.8, 1.3]);
  assert.equal(goal('infer-mobilenetV2-b16', 'fp32'), 1.5);
});

test('peers of the newest PyTorch take part when its Python is named', () => {
  const without = defaultSystems();
  const added = defaultSystems({ newerPython: 'python' }).filter((name) => !without.includes(name));
  for (const mode of ['newer', 'compiled', 'autotuned', 'frozen', 'scripted'])
    assert.ok(added.includes(`pytorch-${mode}`), mode);
  assert.ok(added.includes('openvino') && !without.includes('openvino'));
  const [lacking] = resolveSystems(['openvino'], { newerPython: path.join(__dirname, 'no-python') });
  assert.equal(lacking.missing, 'no openvino in --newer-python');
});
