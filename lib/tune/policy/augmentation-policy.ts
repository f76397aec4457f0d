/**
 * AutoAugment's search (Cubuk et al. 2018, "AutoAugment: learning augmentation policies from data"):
 * each child is a small model trained with the policy that the controller proposes; its validation
 * accuracy is the reward.
 */
import { performance } from 'node:perf_hooks';
import { policy, type Augmentation, type SubPolicy } from '../../augment';
import { Dataset } from '../../data/dataset';
import { FormatError, NonFiniteError, OptionError } from '../../errors';
import { crossEntropy } from '../../losses';
import { Module } from '../../nn/module';
import { sgd, type Optimizer } from '../../optim';
import {
  checkKeys,
  checkList,
  clip,
  checkSignal,
  nonEmptyString,
  nonNegativeInteger,
  positiveInteger,
  showMade,
} from '../../options';
import { cosine } from '../../schedules';
import { Trainer } from '../../train/trainer';
import { bestOf, policyDecisions, policyOf } from './space';
import { readJournal, writeJournal, type ChildRecord } from './journal';
import { Reinforce, type ReinforceOptions } from './reinforce';

/** Options of `tune.augmentationPolicy`. */
export interface PolicySearchOptions {
  /** What children are trained on: a few thousand images are enough. */
  readonly train: Dataset;
  /** What they are judged by. */
  readonly validation: Dataset;
  /**
   * Makes a child: a small model. Every child starts from the same weights: those that the seed draws, or
   * those of a trained model that it loads each time, `() => nn.load(buffer)`. A trained one shows in few
   * epochs what a policy does to long training: a new one learns faster without any.
   */
  readonly model: () => Module | Promise<Module>;
  /** Makes a child's optimizer. Default: SGD with rate 0.1, Nesterov's momentum 0.9 and decay 5e-4. */
  readonly optimizer?: () => Optimizer;
  /** Augmentation before the policy, such as crops and flips. Default none. */
  readonly augment?: readonly Augmentation[];
  /** Epochs a child is trained, with a cosine schedule. Default 10. */
  readonly epochs?: number;
  /** Default 128. */
  readonly batchSize?: number;
  /** How many children are trained. Default 100; the paper trains 15,000. */
  readonly children?: number;
  /** Sub-policies of a policy: an image goes through one of them. Default 5. */
  readonly subPolicies?: number;
  /** Seed of the controller and of every child. Default 0. */
  readonly seed?: number;
  /** Settings of the controller, see `tune.reinforce`. */
  readonly controller?: Omit<ReinforceOptions, 'seed'>;
  /** Where the search is recorded after each child; a search with the same settings continues from there. */
  readonly journal?: string;
  readonly signal?: AbortSignal;
}

/** A child that was trained. */
export interface PolicyChild {
  /** Counts from 1. */
  readonly number: number;
  readonly policy: readonly SubPolicy[];
  /** Validation accuracy after the last epoch, 0 to 1; 0 of a child whose training diverged. */
  readonly accuracy: number;
  readonly seconds: number;
}

const KEYS = [
  'train',
  'validation',
  'model',
  'optimizer',
  'augment',
  'epochs',
  'batchSize',
  'children',
  'subPolicies',
  'seed',
  'controller',
  'journal',
  'signal',
] as const;

const where = 'tune.augmentationPolicy';

/** A search for a policy: iterate over it, then take `best()`. */
export class PolicySearch implements AsyncIterable<PolicyChild> {
  /** Children so far, those of the journal first. */
  readonly children: PolicyChild[] = [];
  private readonly options: Required<Omit<PolicySearchOptions, 'journal' | 'signal'>> &
    Pick<PolicySearchOptions, 'journal' | 'signal'>;

  /** @throws OptionError */
  constructor(options: PolicySearchOptions) {
    this.options = checkOptions(options);
  }

  /** Trains child after child. @throws AbortedError, FormatError for a journal of another search */
  async *[Symbol.asyncIterator](): AsyncGenerator<PolicyChild> {
    const { children, subPolicies, seed, controller, journal } = this.options;
    const search = new Reinforce(policyDecisions(subPolicies), { ...controller, seed });
    const settings = this.settings();
    const records = journal === undefined ? [] : await readJournal(journal, settings);
    this.children.length = 0;
    try {
      for (let number = 1; number <= children; number++) {
        const choices = search.suggest();
        const known = records[number - 1];
        if (known !== undefined && String(known.choices) !== String(choices))
          throw new FormatError(
            `${clip(journal!)}: child ${number} is not the one that this search proposes`,
          );
        const record = known ?? (await this.train(choices));
        if (known === undefined) {
          records.push(record);
          if (journal !== undefined) await writeJournal(journal, settings, records);
        }
        search.tell(record.accuracy);
        const { accuracy, seconds } = record;
        const child = { number, policy: policyOf(choices), accuracy, seconds };
        this.children.push(child);
        yield child;
      }
    } finally {
      search.dispose();
    }
  }

  /**
   * The sub-policies of the `count` best policies together, as the paper joins those of its 5 best.
   * @throws OptionError before the first child
   */
  best(count = 5): SubPolicy[] {
    positiveInteger(where, 'count', count);
    if (this.children.length === 0) throw new OptionError(`${where}: no child is trained yet`);
    return bestOf(this.children, count);
  }

  private async train(choices: readonly number[]): Promise<ChildRecord> {
    const { model, optimizer, augment, seed } = this.options;
    const begun = performance.now();
    const child = await model();
    if (!(child instanceof Module))
      throw new OptionError(`${where}: model must return a Module, got ${showMade(child)}`);
    const trainer = new Trainer(child, {
      loss: crossEntropy(),
      optimizer: optimizer(),
      schedule: cosine(),
      augment: [...augment, policy(policyOf(choices))],
      seed,
    });
    const accuracy = await this.accuracyOf(trainer);
    return { choices, accuracy, seconds: (performance.now() - begun) / 1000 };
  }

  /** After training; 0 of a child that diverged, or the search could not go beyond it. */
  private async accuracyOf(trainer: Trainer): Promise<number> {
    const { epochs, batchSize, signal, train, validation } = this.options;
    try {
      await trainer.fit(train, { epochs, batchSize, ...(signal && { signal }) });
    } catch (error) {
      if (error instanceof NonFiniteError) return 0;
      throw error;
    }
    const { accuracy } = await trainer.evaluate(validation, signal && { signal });
    if (accuracy === undefined) throw new OptionError(`${where}: the validation set must have classes`);
    return accuracy;
  }

  /** What the rewards of the journal depend on, as far as it can be told. */
  private settings(): string {
    const { train, validation, epochs, batchSize, subPolicies, seed, controller, augment } = this.options;
    const sizes = [train.length, validation.length];
    const before = augment.map(({ name, settings }) => [name, settings]);
    return JSON.stringify({ sizes, epochs, batchSize, subPolicies, seed, controller, augment: before });
  }
}

function checkOptions(options: PolicySearchOptions): PolicySearch['options'] {
  if (options === undefined)
    throw new OptionError(`${where}: options are missing; at least { train, validation, model }`);
  checkKeys(where, options, KEYS);
  const { train, validation, model, optimizer = defaultOptimizer, augment = [] } = options;
  for (const [name, set] of Object.entries({ train, validation })) {
    if (!(set instanceof Dataset))
      throw new OptionError(`${where}: ${name} must be a Dataset, got ${showMade(set)}`);
  }
  for (const [name, fn] of Object.entries({ model, optimizer })) {
    if (typeof fn !== 'function')
      throw new OptionError(`${where}: ${name} must be a function, got ${showMade(fn)}`);
  }
  checkList(where, 'augment', augment);
  const whole = (name: 'epochs' | 'batchSize' | 'children' | 'subPolicies', fallback: number): number =>
    positiveInteger(where, name, options[name] ?? fallback);
  return {
    train,
    validation,
    model,
    optimizer,
    augment,
    epochs: whole('epochs', 10),
    batchSize: whole('batchSize', 128),
    children: whole('children', 100),
    subPolicies: whole('subPolicies', 5),
    seed: nonNegativeInteger(where, 'seed', options.seed ?? 0),
    controller: options.controller ?? {},
    ...(options.journal !== undefined && { journal: nonEmptyString(where, 'journal', options.journal) }),
    ...(options.signal !== undefined && { signal: checkSignal(where, options.signal) }),
  };
}

function defaultOptimizer(): Optimizer {
  return sgd({ lr: 0.1, momentum: 0.9, nesterov: true, weightDecay: 5e-4 });
}

/**
 * A search for an augmentation policy by reinforcement (Cubuk et al. 2018).
 *
 *     const search = tune.augmentationPolicy({ train, validation, model: () => models.resnet20() });
 *     for await (const { number, accuracy } of search) console.log(number, accuracy);
 *     const options = { loss, optimizer, augment: [augment.policy(search.best())] };
 *
 * @throws OptionError
 */
export function augmentationPolicy(options: PolicySearchOptions): PolicySearch {
  return new PolicySearch(options);
}
