import { OptionError, tune } from '../../../lib';
import { Controller, type Sample } from '../../../lib/tune/policy/controller';
import { tensor } from '../../../lib';

const decisions = [
  { kind: 'operation', choices: 5 },
  { kind: 'strength', choices: 3 },
  { kind: 'operation', choices: 5 },
  { kind: 'strength', choices: 3 },
];
const wanted = [3, 0, 1, 2];

/** The share of choices that are the wanted ones. */
function reward(choices: readonly number[]): number {
  return choices.filter((choice, i) => choice === wanted[i]).length / wanted.length;
}

function rewards(count: number, options: tune.ReinforceOptions): number[] {
  const search = tune.reinforce(decisions, options);
  const all = Array.from({ length: count }, () => {
    const value = reward(search.suggest());
    search.tell(value);
    return value;
  });
  search.dispose();
  return all;
}

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

describe('tune.reinforce', () => {
  it.each([
    ['proximal policy optimization', { seed: 1 }],
    ['REINFORCE', { seed: 1, epochs: 1, lr: 0.03 }],
  ])('finds the choices that are rewarded, by %s', (_, options) => {
    const all = rewards(300, options);
    // By chance (1/5 + 1/3) / 2 = 0.27 of the choices are right.
    expect(mean(all.slice(0, 20))).toBeLessThan(0.45);
    expect(mean(all.slice(-30))).toBeGreaterThan(0.85);
  });

  it('proposes the same after it was told the same rewards', () => {
    const first = tune.reinforce(decisions, { seed: 4 });
    const log: number[] = [];
    for (let i = 0; i < 23; i++) {
      log.push(reward(first.suggest()));
      first.tell(log[i]!);
    }
    const again = tune.reinforce(decisions, { seed: 4 });
    for (const value of log) again.tell(value);
    expect(again.suggest()).toEqual(first.suggest());
    expect(tune.reinforce(decisions, { seed: 5 }).suggest()).not.toEqual(
      tune.reinforce(decisions, { seed: 4 }).suggest(),
    );
  });

  it.each([
    [[], 'there are no decisions'],
    [[{ kind: 'a' }], 'choices of a'],
    [[{ kind: 'a', choices: 0 }], 'choices of a'],
    [[{ kind: 'a', choices: 1e9 }], 'at most 4096'],
    [[{ kind: '', choices: 2 }], 'kind of a decision'],
    [[7], '{ kind, choices }'],
    [
      [
        { kind: 'a', choices: 2 },
        { kind: 'a', choices: 3 },
      ],
      'different numbers of choices',
    ],
  ])('refuses %j', (given, message) => {
    expect(() => tune.reinforce(given as typeof decisions)).toThrow(OptionError);
    expect(() => tune.reinforce(given as typeof decisions)).toThrow(message);
  });

  it('refuses a reward that is not finite, and stays as it was', () => {
    const search = tune.reinforce(decisions);
    const before = search.suggest();
    expect(() => search.tell(NaN)).toThrow(OptionError);
    expect(search.suggest()).toEqual(before);
  });
});

describe('the loss of the controller', () => {
  const controller = new Controller(decisions, 8, 3);
  const samples = [0, 1, 2].map((n) => controller.sample(n));
  const encoded = controller.encodeBatch(samples);
  const shape = [decisions.length, samples.length] as const;
  const advantage = [2, -1, 0.5];

  /** The objective as in the paper, from the log probabilities. */
  function expected(taken: readonly Sample[], before: (log: number) => number, clip: number): number {
    const gains = taken.flatMap(({ logProbabilities }, b) =>
      logProbabilities.map((log) => {
        const ratio = Math.exp(log - before(log));
        const clipped = Math.min(Math.max(ratio, 1 - clip), 1 + clip);
        return Math.min(ratio * advantage[b]!, clipped * advantage[b]!);
      }),
    );
    return -mean(gains);
  }

  it.each([
    ['equal', (log: number) => log],
    ['lower', (log: number) => log - 0.5],
    ['higher', (log: number) => log + 0.1],
  ])('is the clipped objective of the probabilities that sampling saw: old ones %s', (_, before) => {
    const old = decisions.flatMap((__, t) => samples.map((s) => before(s.logProbabilities[t]!)));
    const loss = controller.loss(encoded, tensor(old, [...shape]), tensor(advantage), {
      clip: 0.2,
      entropy: 0,
    });
    expect(loss.itemSync()).toBeCloseTo(expected(samples, before, 0.2), 5);
  });

  it('is lower by the entropy, which is nearly that of uniform choices at first', () => {
    const old = tensor(
      decisions.flatMap((_, t) => samples.map((s) => s.logProbabilities[t]!)),
      [...shape],
    );
    const loss = (entropy: number): number =>
      controller.loss(encoded, old, tensor(advantage), { clip: 0.2, entropy }).itemSync();
    expect(loss(0) - loss(1)).toBeCloseTo((Math.log(5) + Math.log(3)) / 2, 1);
  });
});
