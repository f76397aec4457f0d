/**
 * The directory of a training run: run.json (the recipe, and whether the run is finished), history.jsonl (one
 * line per epoch), checkpoints and, at the end, model.safetensors.
 */
import { appendFile, mkdir, readdir, realpath, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pathKind, readText } from '../files/read';
import { DataError, FormatError, IoError } from '../errors';
import { checkSeal, seal } from '../files/sealed-json';
import { clip, problemOf } from '../options';
import { writeFileAtomic } from '../files/atomic-file';
import { lockDirectory, type DirectoryLock } from '../files/directory-lock';
import { UsageError } from './exit-codes';
import { parseRecipe, type Recipe } from './recipe';

/** The numbers of one epoch, as history.jsonl keeps them. */
export interface EpochRecord {
  readonly epoch: number;
  readonly [field: string]: number | null;
}

const MODEL_FILE = 'model.safetensors';
const RECIPE_FILE = 'run.json';
const HISTORY_FILE = 'history.jsonl';

export class RunFolder {
  constructor(readonly path: string) {}

  get modelFile(): string {
    return join(this.path, MODEL_FILE);
  }

  get checkpoints(): string {
    return join(this.path, 'checkpoints');
  }

  private get recipeFile(): string {
    return join(this.path, RECIPE_FILE);
  }

  private get historyFile(): string {
    return join(this.path, HISTORY_FILE);
  }

  /** Whether both are the same directory, even by different paths. */
  async isSame(other: RunFolder): Promise<boolean> {
    const [here, there] = await Promise.all([realPath(this.path), realPath(other.path)]);
    return here !== undefined && here === there;
  }

  /**
   * Locks the directory for one run, and makes it if it is missing.
   * @throws BusyError if another run writes to it, IoError
   */
  lock(): Promise<DirectoryLock> {
    return lockDirectory(this.path, [MODEL_FILE, RECIPE_FILE, HISTORY_FILE]);
  }

  /** Whether a run was begun here, and perhaps finished. */
  async holdsRun(): Promise<boolean> {
    return (await pathKind(this.recipeFile)) !== 'nothing';
  }

  /** @throws UsageError if the directory holds an unfinished run, which should be resumed or kept */
  async requireFree(): Promise<void> {
    if (!(await this.holdsCheckpoints()) || (await this.isFinished())) return;
    throw new UsageError(
      `${clip(this.path)} holds a run that was interrupted: continue with --resume ${clip(this.path)}, choose another --out, or delete it`,
    );
  }

  /** Starts a run here, or continues one of another folder. Replaces what was here: see `requireFree`. */
  async begin(recipe: Recipe, epochs: readonly EpochRecord[] = []): Promise<void> {
    await refused(this.path, async () => {
      await mkdir(this.path, { recursive: true });
      await rm(this.checkpoints, { recursive: true, force: true });
      await rm(this.modelFile, { force: true });
    });
    await this.proceed(recipe, epochs);
  }

  /**
   * Continues the run that is here, without the epochs after its checkpoint. A model that it already has
   * stays until the new one is saved.
   */
  async proceed(recipe: Recipe, epochs: readonly EpochRecord[]): Promise<void> {
    await this.writeRecipe(recipe, false);
    await this.writeHistory(epochs);
  }

  /** Marks the run as finished, once its model is saved. From now on another run may replace it. */
  finish(recipe: Recipe): Promise<void> {
    return this.writeRecipe(recipe, true);
  }

  /** The recipe of the run that is here. @throws DataError if there is none, FormatError if it is damaged */
  async recipe(): Promise<Recipe> {
    const text = await textOf(this.recipeFile);
    if (text === undefined)
      throw new DataError(`resume: ${clip(this.path)} holds no run (there is no run.json)`);
    checkSeal(this.recipeFile, text);
    return parseRecipe(this.recipeFile, parse(this.recipeFile, text));
  }

  /** Where to resume from; undefined if the run stopped before its first checkpoint. */
  async latestCheckpoint(): Promise<string | undefined> {
    const saved = (await pathKind(join(this.checkpoints, 'latest'))) === 'file';
    return saved ? this.checkpoints : undefined;
  }

  /** The lines of history.jsonl, without a last line that was cut off. */
  async history(): Promise<EpochRecord[]> {
    const text = (await textOf(this.historyFile)) ?? '';
    const lines = text.split('\n').slice(0, -1);
    return lines.map((line) => parse(this.historyFile, line) as EpochRecord);
  }

  /** Adds the line of an epoch. */
  async append(epoch: EpochRecord): Promise<void> {
    await refused(this.historyFile, () => appendFile(this.historyFile, `${JSON.stringify(epoch)}\n`));
  }

  /** Whether a save has begun here. A run that did not get this far has nothing to lose. */
  private async holdsCheckpoints(): Promise<boolean> {
    if ((await pathKind(this.checkpoints)) !== 'directory') return false;
    const names = await readdir(this.checkpoints);
    return names.some((name) => name.startsWith('checkpoint-'));
  }

  private async isFinished(): Promise<boolean> {
    const run = parse(this.recipeFile, (await textOf(this.recipeFile)) ?? '{}');
    const { finished } = (run ?? {}) as { readonly finished?: unknown };
    // Older versions did not write `finished`. The model is the last thing that a run saves.
    return typeof finished === 'boolean' ? finished : (await pathKind(this.modelFile)) === 'file';
  }

  private writeRecipe(recipe: Recipe, finished: boolean): Promise<void> {
    return writeText(this.recipeFile, seal(JSON.stringify({ ...recipe, finished }, null, 1)));
  }

  private writeHistory(epochs: readonly EpochRecord[]): Promise<void> {
    return writeText(this.historyFile, epochs.map((epoch) => `${JSON.stringify(epoch)}\n`).join(''));
  }
}

/** The path without links; undefined if nothing is there. */
function realPath(path: string): Promise<string | undefined> {
  return realpath(path).catch(() => undefined);
}

/** The text of a file; undefined if there is no file. @throws DataError or IoError if it cannot be read */
async function textOf(file: string): Promise<string | undefined> {
  return (await pathKind(file)) === 'nothing' ? undefined : readText(file);
}

function parse(file: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new FormatError(`${clip(file)}: not valid JSON (${problemOf(error)})`, { cause: error });
  }
}

function writeText(file: string, text: string): Promise<void> {
  return writeFileAtomic(file, [Buffer.from(text)]);
}

/** Turns a refusal of the system into an IoError that names the path. */
async function refused(path: string, work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    throw new IoError(`${clip(path)} cannot be written: ${problemOf(error)}`, { cause: error });
  }
}
