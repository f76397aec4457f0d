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
const { goalRatio, referenceShare } = require('../lib/goals');
const { markdownReport, terminalReport } = require('../lib/report');
const { resolveSystems, tunedPytorchEnvironment } = require('../lib/systems');
const { flopsOf } = require('../lib/work');
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
const options = { threads: 1, rounds: 2, secondsPerRound: 0.02, budgetMs: 2000, log: () => {} };

/** A system that takes `fixed + each * batch` ms a step, or does what `mode` says. */
function system(name, { mode = 'ok', fixed = 0, each = 0, probe = false }) {
  const args = [path.join(__dirname, 'fake-system.js'), mode, String(fixed), String(each)];
  return { name, probe, launch: { command: process.execPath, args } };
}

function measure(...systems) {
  return measureItem(item, systems, options);
}

test('a fast system gets ten steps of the whole batch', async () => {
  const [result] = await measure(system('fast', { fixed: 1, probe: true }));
  assert.equal(result.status, 'ok');
  assert.equal(result.batch, 16);
  assert.ok(result.steps >= 10, `steps: ${result.steps}`);
  assert.equal(result.roundMediansMs.length, 2);
  assert.ok(result.medianMs >= 1 && result.medianMs < 20, `median: ${result.medianMs}`);
});

test('a system that is slow by the example gets a smaller batch and says so', async () => {
  const [result] = await measure(system('slow', { each: 60, probe: true }));
  assert.equal(result.status, 'ok');
  assert.ok(result.batch < 16, `batch: ${result.batch}`);
  assert.ok(result.notes.includes(`batch ${result.batch} instead of 16`));
});

test('a system that is slow by the step gets fewer steps of the whole batch', async () => {
  const heavy = system('heavy', { fixed: 300, each: 0.1, probe: true });
  const [result] = await measureItem(item, [heavy], { ...options, budgetMs: 4000 });
  assert.equal(result.status, 'ok');
  assert.equal(result.batch, 16);
  assert.ok(result.steps < 10 && result.notes.some((note) => note.endsWith('steps')), result.notes.join());
});

test('a system that gets no further than its first try reports that', async () => {
  const [result] = await measure(system('very slow', { each: 1200, probe: true }));
  assert.equal(result.status, 'ok');
  assert.deepEqual([result.batch, result.steps], [1, 1]);
  assert.ok(result.notes.includes('1 step'));
});

test('unsupported, failing and hanging systems do not stop the others', async () => {
  const [unsupported, broken, dead, hanging, good] = await measure(
    system('unsupported', { mode: 'unsupported' }),
    system('broken', { mode: 'throw' }),
    system('dead', { mode: 'exit' }),
    system('hanging', { mode: 'hang' }),
    system('good', { fixed: 1 }),
  );
  assert.deepEqual([unsupported.status, unsupported.reason], ['unsupported', 'made up']);
  assert.equal(broken.status, 'error');
  assert.match(broken.reason, /broken on purpose/);
  assert.equal(dead.status, 'error');
  assert.match(dead.reason, /code 3/);
  assert.equal(hanging.status, 'timeout');
  assert.equal(good.status, 'ok');
});

test('reports show figures, reasons and deviations', async () => {
  const results = await measure(system('good', { fixed: 1 }), system('bad', { mode: 'unsupported' }));
  const machine = {
    date: 'd',
    cpu: 'c',
    cores: 2,
    node: '20',
    commit: 'abc',
    threads: 1,
    rounds: 2,
    loadAverage: [0],
  };
  for (const text of [terminalReport({ machine, results }), markdownReport({ machine, results })]) {
    assert.match(text, /made-up/);
    assert.match(text, /- \[1\]/);
    assert.match(text, /\[1\] made up/);
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
  const [other] = resolveSystems(['convnetjs'], {});
  assert.deepEqual(await measureItem(kernel, [other], options), []);
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

test('a report compares tenon with PyTorch, its goal and the machine', () => {
  const result = (system, medianMs) => ({
    item: 'vggs',
    kind: 'train',
    system,
    version: '1',
    status: 'ok',
    value: 128000 / medianMs,
    medianMs,
    roundMediansMs: [medianMs, 1.1 * medianMs],
    batch: 128,
    fullBatch: 128,
    notes: [],
  });
  const triad = { plain: 10, streaming: 20 };
  const peaks = { isa: 'avx2', gflops: 200, memory: triad, cache: triad };
  const machine = { date: 'd', loadAverage: [0], peaks };
  const text = (ms) => terminalReport({ machine, results: [result('tenon', ms), result('pytorch', 1000)] });
  assert.match(text(500), /2\.00 \(2\.00-2\.00\) +1\.60 +met/);
  assert.match(text(800), /1\.25 \(1\.25-1\.25\) +1\.60 +not met/);
  assert.match(text(1176), / 50%/);
  assert.match(text(500), /200 GFLOP\/s fp32 \(avx2\)/);
});

test('every network that goals were set for has one, every matrix product and convolution a peer', () => {
  // Nobody measured PyTorch on these where the goals were set.
  const withoutGoal = /mobilenetV2|efficientnetLite0/;
  for (const { name, kind } of items) {
    if (kind === 'kernel') assert.equal(referenceShare(name) > 0, /^(conv|sgemm)/.test(name), name);
    else if (withoutGoal.test(name)) assert.equal(goalRatio(name), undefined);
    else for (const precision of ['fp32', 'bf16']) assert.ok(goalRatio(name, precision) > 1, name);
  }
});
