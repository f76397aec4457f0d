'use strict';

/** The harness against made-up systems: what it does with slow, failing and unsupported ones. Run by `npm test` in bench/. */
const assert = require('node:assert/strict');
const path = require('node:path');
const { test } = require('node:test');
const { measureItem } = require('../lib/measure');
const { onnxModel } = require('../lib/onnx');
const { markdownReport, terminalReport } = require('../lib/report');
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
