/** What `tenon train` does: data, model, training with checkpoints and history, evaluation, the result. */
import { weightedRandomSampler, type Dataset } from '../data';
import type { World } from '../distributed';
import { DataError } from '../errors';
import { setThreads } from '../native';
import type { Module } from '../nn';
import type { Json } from '../settings';
import { checkpoint } from '../train/callbacks';
import type { Callback, EpochRecord, FitControl, FitEvent, History } from '../train/events';
import { gradualUnfreezing } from '../train/gradual-unfreezing';
import { progress } from '../train/progress';
import type { Trainer } from '../train/trainer';
import { withPolicyFiles } from './augmentations';
import { buildModel, buildTrainer } from './build-trainer';
import { DATASETS, openSplits } from './datasets';
import { withStudy } from './from-study';
import { stoppingFor } from './early-stopping-flags';
import { EXIT, UsageError } from './exit-codes';
import { viewOptions } from './flags';
import { sideFor } from './folder-splits';
import { isFirst, joinJob, ofFirst } from './job';
import { defaultSide } from './networks';
import { beginFrom } from './pretrained';
import { percent, type Output, type Streams } from './output';
import { completeRecipe, parseRecipe, resumedRecipe, type Recipe, type RecipeFlags } from './recipe';
import { withDataset } from './recognize';
import { RunFolder } from './run-folder';
import { scaledRate } from './scaling';
import type { Session } from './session';
import { showAnswers } from './show-answers';
import { reportSkipped, skippedFields } from './skipped';

/** Why a run ends that a signal stopped. */
const INTERRUPTED = 'interrupted';

/** The options that do not change the result. */
interface Place {
  readonly threads: number | undefined;
  readonly out: string | undefined;
  readonly resume: string | undefined;
  /** Resume the run that `out` holds, if it holds one. */
  readonly autoResume?: boolean | undefined;
}

/** What is trained, and where. */
export interface Plan {
  readonly recipe: Recipe;
  readonly folder: RunFolder;
  /** The run that is resumed: `folder` itself, unless `--out` names another. Absent for a new run. */
  readonly from: RunFolder | undefined;
  /** The ranks that train together, of which the first writes; absent where this process trains alone. */
  readonly world?: World;
}

/** The data of a run. */
export interface Splits {
  readonly train: Dataset;
  readonly validation?: Dataset;
  readonly test?: Dataset;
}

/** Who asks for a training: where its lines go, what interrupts it. */
export type Audience = Pick<Session, 'output' | 'streams' | 'signal'>;

/** What came of a training that ran to its end. */
export interface Trained {
  readonly trainer: Trainer;
  readonly history: History;
  readonly splits: Splits;
}

/** Trains by the settings that were given, and returns the exit code. */
export async function train(session: Session, given: RecipeFlags, place: Place): Promise<number> {
  if (place.threads !== undefined) setThreads(place.threads);
  const world = await joinJob(session);
  const plan =
    world === undefined
      ? await makePlan(given, place, session.signal)
      : await planTogether(world, given, place, session.signal);
  const lock = isFirst(world) ? await plan.folder.lock() : undefined;
  try {
    const trained = await perform(session, plan);
    // What follows is of one process; it may take longer than ranks wait for each other.
    await world?.leave();
    if (trained === undefined) {
      session.output.line(`stopped; continue with: tenon train --resume ${plan.folder.path}`);
      return session.interruptedCode;
    }
    return isFirst(world) ? await conclude(session, plan, trained) : EXIT.ok;
  } finally {
    lock?.release();
  }
}

/** The plan of rank 0, on all ranks. By default each has a shard of every batch. @throws as `makePlan` */
async function planTogether(
  world: World,
  given: RecipeFlags,
  place: Place,
  signal: AbortSignal,
): Promise<Plan> {
  const { recipe, out, from } = await ofFirst(world, async () => {
    const fresh = (await runToResume(place)) === undefined;
    const plan = await makePlan(fresh ? { shards: world.size, ...given } : given, place, signal);
    const { shards } = plan.recipe;
    if (shards < world.size)
      throw new UsageError(
        `--shards ${shards}${fresh ? '' : ', as the run was begun'}: ${world.size} ranks need as many at least`,
      );
    const recipe = JSON.parse(JSON.stringify(plan.recipe)) as Json;
    return { recipe, out: plan.folder.path, from: plan.from?.path ?? null };
  });
  const folder = new RunFolder(out);
  const before = from === out ? folder : new RunFolder(from ?? '');
  return {
    recipe: parseRecipe('the run of rank 0', recipe),
    folder,
    from: from === null ? undefined : before,
    world,
  };
}

/**
 * Trains in a folder that is locked for this run, and saves the model there.
 * @param more `open` reads the data; `callbacks` follow the training
 * @returns undefined where it was interrupted: its folder has a checkpoint then
 */
export async function perform(
  audience: Audience,
  plan: Plan,
  more: { readonly open?: typeof openSplits; readonly callbacks?: readonly Callback[] } = {},
): Promise<Trained | undefined> {
  const writes = isFirst(plan.world);
  if (plan.folder !== plan.from && writes) await plan.folder.requireFree();
  const splits = await openData(plan.recipe, audience.signal, more.open ?? openSplits);
  const resume = await checkpointOf(plan);
  const model = buildModel(plan.recipe, splits.train);
  // A checkpoint has the weights, and says what is frozen.
  const begun = resume === undefined && (await beginFrom(plan.recipe, model, splits.train));
  const trainer = buildTrainer(plan.recipe, model, splits.train, plan.world);
  if (plan.from === undefined && writes) await plan.folder.begin(plan.recipe);
  announce(audience, plan, splits, model);
  if (begun !== false) for (const line of begun) audience.output.line(line);
  const history = await fit(audience, plan, splits, { trainer, resume, callbacks: more.callbacks ?? [] });
  if (history === undefined) return undefined;
  if (writes) {
    await model.save(plan.folder.modelFile);
    await plan.folder.finish(plan.recipe);
  }
  return { trainer, history, splits };
}

/** Where the run goes on. Rank 0 reads it; the others need not see its folder. */
async function checkpointOf({ from, world }: Plan): Promise<string | undefined> {
  if (from === undefined || world === undefined) return from?.latestCheckpoint();
  return (await ofFirst(world, async () => (await from.latestCheckpoint()) ?? null)) ?? undefined;
}

/** @throws UsageError, and what reading the folder of `resume` and the first image throws */
export async function makePlan(
  flags: RecipeFlags,
  place: Omit<Place, 'threads'>,
  signal: AbortSignal,
): Promise<Plan> {
  const given = await withPolicyFiles(flags);
  const { out } = place;
  const from = await runToResume(place);
  if (from !== undefined) {
    const recipe = resumedRecipe(await from.recipe(), given);
    const folder = new RunFolder(out ?? from.path);
    return { recipe, from, folder: (await folder.isSame(from)) ? from : folder };
  }
  const complete = completeRecipe(await withDataset(await withStudy(given)));
  const recipe = { ...complete, imageSize: await imageSizeOf(complete, signal) };
  return { recipe, from: undefined, folder: new RunFolder(out ?? `runs/${recipe.dataset}-${recipe.model}`) };
}

/**
 * The run that goes on; undefined for a new one.
 * @throws UsageError if it is not clear which
 */
async function runToResume({
  out,
  resume,
  autoResume,
}: Omit<Place, 'threads'>): Promise<RunFolder | undefined> {
  if (autoResume !== true) return resume === undefined ? undefined : new RunFolder(resume);
  if (resume !== undefined)
    throw new UsageError(
      '--auto-resume continues the run in --out, --resume that of another directory: choose one',
    );
  if (out === undefined) throw new UsageError('--auto-resume needs --out DIR, the directory of the run');
  const folder = new RunFolder(out);
  return (await folder.holdsRun()) ? folder : undefined;
}

/** The size of the images: the given one or, for image files, a default that depends on the first image. */
async function imageSizeOf(recipe: Recipe, signal: AbortSignal): Promise<number | null> {
  const { dataset, data, imageSize, model } = recipe;
  if (DATASETS[dataset].from !== 'images' || imageSize !== null) return imageSize;
  return sideFor({ ...recipe, dir: data ?? '' }, defaultSide(model), signal);
}

/**
 * Opens the data and holds out a share of the training split.
 * @throws DataError if nothing would be left to train on
 */
async function openData(recipe: Recipe, signal: AbortSignal, open: typeof openSplits): Promise<Splits> {
  const { train: all, test } = await open(recipe, signal);
  const held = Math.round(all.length * recipe.validation);
  if (held >= all.length)
    throw new DataError(
      `train: --validation ${recipe.validation} leaves none of the ${all.length} samples to train on`,
    );
  const rest = test === undefined ? {} : { test };
  if (held === 0) return { train: all, ...rest };
  const [train, validation] = all.split([all.length - held, held], { seed: recipe.seed });
  return { train: train ?? all, ...(validation && { validation }), ...rest };
}

function announce({ output }: Audience, { recipe, folder, from }: Plan, splits: Splits, model: Module): void {
  const parameters = model.parameters().reduce((sum, parameter) => sum + parameter.size, 0);
  const counts = {
    trainImages: splits.train.length,
    validationImages: splits.validation?.length ?? 0,
    testImages: splits.test?.length ?? 0,
  };
  const { train, test } = splits;
  reportSkipped(output, 'train', train);
  if (test !== undefined) reportSkipped(output, 'test', test);
  const skipped = [...skippedFields(train), ...(test === undefined ? [] : skippedFields(test))];
  output.event('start', {
    ...recipe,
    limits: { ...recipe.limits },
    out: folder.path,
    resumed: from !== undefined,
    parameters,
    ...counts,
    skipped,
  });
  const { dataset, optimizer, batchSize, schedule, warmup, augment } = recipe;
  const shape = splits.train.inputShape.join('x');
  const rate = Number(scaledRate(recipe.lr, recipe).toPrecision(6));
  const rise = warmup === 0 ? '' : `warm-up ${String(warmup).replace('epoch', ' epoch')}, `;
  output.line(
    `data   ${dataset}: ${counts.trainImages} + ${counts.validationImages} + ${counts.testImages} images of ${shape} (train, validation, test)`,
  );
  output.line(`model  ${recipe.model}, ${parameters.toLocaleString('en-US')} parameters`);
  output.line(
    `steps  ${optimizer}, learning rate ${rate} (${rise}${schedule}), batches of ${batchSize}, augmentation: ${augment.join(', ') || 'none'}`,
  );
}

interface Beginning {
  readonly trainer: Trainer;
  readonly resume: string | undefined;
  readonly callbacks: readonly Callback[];
}

/** Trains. Returns undefined if it was interrupted. */
async function fit(
  { output, streams, signal }: Audience,
  plan: Plan,
  splits: Splits,
  { trainer, resume, callbacks: others }: Beginning,
): Promise<History | undefined> {
  const { recipe, folder, from } = plan;
  if (from !== undefined && resume === undefined)
    output.warning(`${from.path} has no checkpoint yet: starting from the beginning`);
  const writes = isFirst(plan.world);
  const stop = new (plan.world === undefined ? StopOnSignal : StopTogether)(signal, folder.checkpoints);
  const callbacks: Callback[] = [
    ...(recipe.unfreezeEvery === null
      ? []
      : [gradualUnfreezing(trainer.model, { everyEpochs: recipe.unfreezeEvery })]),
    ...(from === undefined ? [] : [continuation(plan, from)]),
    // History comes first: a run that is killed between the two loses the checkpoint, not the history.
    historyKeeper(output, writes ? folder : undefined),
    checkpoint(folder.checkpoints),
    ...(output.json ? [] : [progress({ stream: streamFor(plan.world, streams) })]),
    ...stoppingFor(recipe),
    ...others,
    stop,
  ];
  const history = await trainer.fit(splits.train, {
    epochs: recipe.epochs,
    batchSize: recipe.batchSize,
    lastBatch: recipe.lastBatch,
    ...(recipe.sampler && { sampler: weightedRandomSampler({ weights: recipe.sampler }) }),
    callbacks,
    ...(splits.validation && { validation: { data: splits.validation, ...viewOptions(recipe) } }),
    ...(resume !== undefined && { resume }),
  });
  return stop.stopped ? undefined : history;
}

/**
 * Saves a checkpoint and ends training at the first event after the signal. Events come after every step, or
 * every 100 ms if steps are shorter.
 */
class StopOnSignal implements Callback {
  stopped = false;

  constructor(
    private readonly signal: AbortSignal,
    private readonly directory: string,
  ) {}

  async onEvent(event: FitEvent, control: FitControl): Promise<void> {
    const between = event.type === 'start' || event.type === 'step' || event.type === 'epoch';
    if (!between || !this.signal.aborted || this.stopped) return;
    this.stopped = true;
    control.stop();
    if (event.type !== 'start') await control.saveCheckpoint(this.directory, { keep: 2 });
  }
}

/** As StopOnSignal where several ranks train: they end after the same step, and then save together. */
class StopTogether implements Callback {
  stopped = false;

  constructor(
    private readonly signal: AbortSignal,
    private readonly directory: string,
  ) {}

  async onEvent(event: FitEvent, control: FitControl): Promise<void> {
    if (event.type !== 'done') {
      if (this.signal.aborted) control.stop(INTERRUPTED);
      return;
    }
    this.stopped = event.history.stopped === INTERRUPTED;
    if (this.stopped) await control.saveCheckpoint(this.directory, { keep: 2 });
  }
}

/** Prepares a resumed run for its next epoch. History keeps the lines up to the checkpoint. */
function continuation({ recipe, folder, world }: Plan, from: RunFolder): Callback {
  const takeUp = async (step: number): Promise<void> => {
    const before = (await from.history()).filter(
      (line) => typeof line.step === 'number' && line.step <= step,
    );
    await (folder === from ? folder.proceed(recipe, before) : folder.begin(recipe, before));
  };
  return {
    async onEvent(event, control) {
      if (event.type !== 'start') return;
      if (isFirst(world)) await takeUp(event.step);
      if (folder === from) return;
      // The new folder can then be resumed even if it is stopped before the end of an epoch.
      if (event.step > 0) await control.saveCheckpoint(folder.checkpoints, { keep: 2 });
    },
  };
}

/**
 * Where progress is shown. What a rank writes goes through its launcher, which is not a terminal for a bar.
 */
function streamFor(world: World | undefined, { stdout }: Streams): Streams['stdout'] {
  if (world === undefined) return stdout;
  return { write: (text) => (isFirst(world) ? stdout.write(text) : undefined) };
}

/** Writes history.jsonl, where there is a folder to write to, and the `epoch` lines of `--json`. */
function historyKeeper(output: Output, folder: RunFolder | undefined): Callback {
  return {
    async onEvent(event) {
      // For people, progress() prints both.
      if (event.type === 'warning' && output.json) output.warning(event.message);
      if (event.type !== 'epoch') return;
      const { type: _type, ...record } = event;
      const line = complete(record);
      await folder?.append(line);
      output.event('epoch', line);
    },
  };
}

/** The record with null for missing numbers, so that every line has the same fields. */
function complete(record: EpochRecord): EpochRecord & Record<string, number | null> {
  const { trainAccuracy = null, penalty = null, validationLoss = null, validationAccuracy = null } = record;
  return { ...record, trainAccuracy, penalty, validationLoss, validationAccuracy } as EpochRecord &
    Record<string, number | null>;
}

/** Evaluates on the test split, if there is one, and shows some answers. */
async function conclude(
  { output, signal }: Session,
  plan: Plan,
  { trainer, history, splits }: Trained,
): Promise<number> {
  const { model } = trainer;
  const result =
    splits.test && (await trainer.evaluate(splits.test, { signal, ...viewOptions(plan.recipe) }));
  const accuracy = result?.accuracy;
  output.event('done', {
    ...(result && { testLoss: result.loss, testAccuracy: accuracy }),
    stopped: history.stopped,
    ...(history.best && { best: { ...history.best } }),
    model: plan.folder.modelFile,
  });
  if (!output.json && plan.recipe.dataset === 'glyphs') output.line(`\n${await showAnswers(model)}\n`);
  if (accuracy !== undefined) output.line(`test accuracy ${percent(accuracy)}`);
  output.line(`model saved to ${plan.folder.modelFile}`);
  return EXIT.ok;
}
