/** Studies whose reports are looked at: the same trials at the same times in each run. */
import { jest } from '@jest/globals';
import { tune } from '../../../lib';
import type { Json } from '../../../lib/settings';
import { toPythonJson } from '../../../lib/tune/study/python-json';

/** Runs with a clock that only the objective moves. */
export async function atFixedTimes<T>(body: () => Promise<T>): Promise<T> {
  jest.useFakeTimers({
    now: Date.UTC(2026, 0, 5, 9),
    doNotFake: [
      'hrtime',
      'nextTick',
      'performance',
      'queueMicrotask',
      'setImmediate',
      'clearImmediate',
      'setInterval',
      'clearInterval',
      'setTimeout',
      'clearTimeout',
    ],
  });
  try {
    return await body();
  } finally {
    jest.useRealTimers();
  }
}

function pass(seconds: number): void {
  jest.setSystemTime(Date.now() + 1000 * seconds);
}

const SPACE = {
  lr: tune.logUniform(1e-4, 1),
  weightDecay: tune.logUniform(1e-6, 1e-2),
  layers: tune.integer(1, 4),
  act: tune.choice(['relu', 'gelu', 'tanh']),
  optimizer: tune.conditional({ sgd: { momentum: tune.uniform(0, 0.99) }, adam: {} }),
  batchSize: 128,
};

/** As the accuracy of a small network might be, by the epoch. */
export async function typicalStudy(place: string, trials: number) {
  const study = await tune.study(place, {
    space: SPACE,
    direction: 'maximize',
    strategy: tune.tpe({ seed: 3 }),
    rules: [tune.median({ startup: 8, warmup: 3 })],
  });
  const run = study.run(
    async ({ lr, weightDecay, layers, act, optimizer }, trial) => {
      const momentum = optimizer.choice === 'sgd' ? optimizer.momentum : 0.9;
      const rate = Math.log10(lr / (1 - momentum)) + 1 - 0.15 * layers;
      const best =
        0.94 - 0.025 * rate ** 2 - 0.01 * (layers - 3) ** 2 - 0.004 * (Math.log10(weightDecay) + 4) ** 2;
      const final = best - { relu: 0, gelu: 0.004, tanh: 0.03 }[act];
      if (rate > 1.8) throw new Error('the loss is not finite: NaN in layer 2');
      for (let epoch = 1; epoch <= 12; epoch++) {
        pass(3 + layers);
        const noise = 0.006 * Math.sin(17 * epoch + trial.number);
        await trial.report(epoch, final - 0.45 * Math.exp(-epoch / 3) + noise);
      }
      return final;
    },
    { trials },
  );
  for await (const _ of run);
  return study;
}

/** Accuracy against the time of a prediction. */
export async function studyOfTwo(place: string, trials: number) {
  const study = await tune.study(place, {
    space: { width: tune.integer(8, 256, { log: true }), depth: tune.integer(1, 12) },
    directions: ['maximize', 'minimize'],
    strategy: tune.random({ seed: 2 }),
  });
  const run = study.run(
    ({ width, depth }, { number }) => {
      pass(20);
      const size = Math.log2(width) * Math.sqrt(depth);
      const accuracy =
        0.95 - 0.5 * Math.exp(-size / 6) - 0.002 * Math.abs(depth - 7) + 0.01 * Math.sin(number);
      return [accuracy, 0.02 * width * depth ** 0.5 + 0.3];
    },
    { trials },
  );
  for await (const _ of run);
  return study;
}

/** A trial as a line of an Optuna journal has it. */
export interface RawTrial {
  readonly state?: number;
  readonly values?: readonly number[] | null;
  readonly params?: Readonly<Record<string, number>>;
  readonly distributions?: Readonly<Record<string, object>>;
  readonly notes?: object;
  readonly attributes?: object;
  readonly reports?: Readonly<Record<string, number>>;
}

/** The text of a journal that somebody else has written. */
export function journalOf(
  trials: readonly RawTrial[],
  {
    name = 'raw',
    directions = [1],
    worker = 'w',
  }: { name?: string; directions?: number[]; worker?: string } = {},
): string {
  const worker_id = worker;
  const lines: object[] = [{ op_code: 0, worker_id, study_name: name, directions }];
  for (const { state = 1, values = null, params = {}, distributions = {}, ...more } of trials)
    lines.push({
      op_code: 4,
      worker_id,
      study_id: 0,
      datetime_start: '2026-01-05T09:00:00.000000+00:00',
      datetime_complete: '2026-01-05T09:00:12.500000+00:00',
      state,
      values,
      params,
      distributions: Object.fromEntries(
        Object.entries(distributions).map(([key, one]) => [key, JSON.stringify(one)]),
      ),
      user_attrs: more.attributes ?? {},
      system_attrs: more.notes ?? {},
      intermediate_values: more.reports ?? {},
    });
  return lines.map((line) => `${toPythonJson(line as Json)}\n`).join('');
}
