/**
 * Search by reinforcement: a controller proposes sequences of choices, and learns from the reward of each. It
 * is a function of the seed and the rewards so far, so a search is resumed by telling it the rewards again.
 */
import { compile, type Compiled } from '../../compile/compile';
import { grad } from '../../compile/grad';
import { OptionError } from '../../errors';
import { adam, type Optimizer } from '../../optim';
import { checkList, finite, nonEmptyString, positiveInteger as whole, show } from '../../options';
import {
  declareSettings,
  nonNegative,
  nonNegativeInteger as seedSetting,
  number,
  positive,
  positiveInteger,
  type OptionsOf,
  type ValuesOf,
} from '../../settings';
import { tensor, type Tensor } from '../../tensor/tensor';
import { Controller, type Decision, type Experience, type Sample } from './controller';

const MOST_CHOICES = 4096;

const share = number({ minimum: 0, exclusiveMaximum: 1 });

/** Defaults are for a hundred or a few hundred rewards; Cubuk et al. take 15,000 and a rate of 3.5e-4. */
export const reinforceSettings = declareSettings({
  seed: seedSetting('Seed of the weights and the choices.', { default: 0 }),
  batch: positiveInteger('Rewards between two updates of the controller.', { default: 10 }),
  epochs: positiveInteger('Passes over a batch of rewards; 1 is REINFORCE (Williams 1992).', { default: 8 }),
  lr: positive("Learning rate of the controller's Adam.", { default: 5e-3 }),
  clip: positive('How far a pass may move the probability of a choice (PPO).', { default: 0.2 }),
  entropy: nonNegative('Weight of the entropy of choices, against settling early.', { default: 1e-2 }),
  baseline: share('Decay of the mean reward that rewards are held against.', { default: 0.9 }),
  hidden: positiveInteger('Units of the controller.', { default: 64 }),
});

export type ReinforceOptions = OptionsOf<typeof reinforceSettings>;

type Update = Compiled<[Tensor, Tensor, Tensor], Tensor>;

export class Reinforce {
  private readonly settings: ValuesOf<typeof reinforceSettings>;
  private readonly controller: Controller;
  private readonly optimizer: Optimizer;
  private readonly update: Update;
  private readonly waiting: (Sample & { readonly reward: number })[] = [];
  private proposed: Sample | undefined;
  private told = 0;
  private mean: number | undefined;

  /** @throws OptionError */
  constructor(
    private readonly decisions: readonly Decision[],
    options: ReinforceOptions = {},
  ) {
    this.settings = reinforceSettings.read('tune.reinforce', options);
    checkDecisions(decisions);
    const { hidden, seed, lr, clip, entropy } = this.settings;
    this.controller = new Controller(decisions, hidden, seed);
    this.optimizer = adam({ lr });
    this.update = compile((encoded: Tensor, old: Tensor, advantage: Tensor) => {
      const loss = this.controller.loss(encoded, old, advantage, { clip, entropy });
      this.optimizer.update(grad(loss));
      return loss;
    });
  }

  /** The choices to try next, each from 0 to below its decision's number. The same until `tell` is called. */
  suggest(): readonly number[] {
    this.proposed ??= this.controller.sample(this.told);
    return this.proposed.choices;
  }

  /**
   * The reward of the choices that `suggest` proposed: the higher, the better.
   * @throws OptionError for one that is not finite
   */
  tell(reward: number): void {
    finite('tune.reinforce', 'the reward', reward);
    this.suggest();
    this.waiting.push({ ...this.proposed!, reward });
    this.proposed = undefined;
    this.told++;
    if (this.waiting.length === this.settings.batch) this.learn();
  }

  /** Frees the programs. */
  dispose(): void {
    this.update.dispose();
    this.controller.dispose();
  }

  private learn(): void {
    const batch = this.waiting.splice(0);
    const experiences = this.withAdvantages(batch);
    const encoded = this.controller.encodeBatch(experiences);
    const old = this.decisions.flatMap((_, t) => experiences.map((e) => e.logProbabilities[t]!));
    const advantages = tensor(experiences.map((e) => e.advantage));
    const before = tensor(Float32Array.from(old), [this.decisions.length, batch.length]);
    for (let epoch = 0; epoch < this.settings.epochs; epoch++)
      this.update.runSync(encoded, before, advantages);
  }

  /** Rewards against a moving mean of earlier ones, in units of their spread. */
  private withAdvantages(batch: readonly (Sample & { readonly reward: number })[]): Experience[] {
    const mean = batch.reduce((sum, { reward }) => sum + reward, 0) / batch.length;
    const spread = Math.sqrt(batch.reduce((sum, { reward }) => sum + (reward - mean) ** 2, 0) / batch.length);
    const expected = this.mean ?? mean;
    const { baseline } = this.settings;
    this.mean = baseline * expected + (1 - baseline) * mean;
    return batch.map((sample) => ({ ...sample, advantage: (sample.reward - expected) / (spread + 1e-8) }));
  }
}

/**
 * A search over sequences of choices by reinforcement: proximal policy optimization (Schulman et al. 2017) of
 * a recurrent controller. `suggest()` returns choices, `tell(reward)` answers.
 *
 * `const search = tune.reinforce([{ kind: 'depth', choices: 3 }, { kind: 'width', choices: 4 }], {
 * seed: 1 })`
 *
 * @throws OptionError
 */
export function reinforce(decisions: readonly Decision[], options: ReinforceOptions = {}): Reinforce {
  return new Reinforce(decisions, options);
}

function checkDecisions(decisions: unknown): void {
  const where = 'tune.reinforce';
  checkList(where, 'decisions', decisions);
  if (decisions.length === 0) throw new OptionError(`${where}: there are no decisions`);
  const kinds = new Map<string, number>();
  for (const decision of decisions) {
    if (typeof decision !== 'object' || decision === null)
      throw new OptionError(`${where}: a decision must be { kind, choices }, got ${show(decision)}`);
    const { kind, choices } = decision as Partial<Decision>;
    const name = nonEmptyString(where, 'kind of a decision', kind);
    const count = whole(where, `choices of ${name}`, choices);
    if (count > MOST_CHOICES)
      throw new OptionError(`${where}: choices of ${name} must be at most ${MOST_CHOICES}, got ${count}`);
    if ((kinds.get(name) ?? count) !== count)
      throw new OptionError(`${where}: decisions of kind ${name} have different numbers of choices`);
    kinds.set(name, count);
  }
}
