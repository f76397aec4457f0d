/**
 * The directory of a training run: run.json (the recipe), history.jsonl (a line an epoch), checkpoints, and in the end
 * model.safetensors.
 */
import { appendFile, mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileError, messageOf, pathKind } from '../data/source';
import { DataError, FormatError, IoError } from '../errors';
import { writeFileAtomic } from '../formats/atomic-file';
import { UsageError } from './exit-codes';
import { parseRecipe, type Recipe } from './recipe';

/** Numbers of one epoch, as history.jsonl keeps them. */
export interface EpochRecord {
  readonly epoch: number;
  readonly [field: string]: number | null;
}

export class RunFolder {
  constructor(readonly path: string) {}

  get modelFile(): string {
    return join(this.path, 'model.safetensors');
  }

  get checkpoints(): string {
    return join(this.path, 'checkpoints');
  }

  private get recipeFile(): string {
    return join(this.path, 'run.json');
  }

  private get historyFile(): string {
    return join(this.path, 'history.jsonl');
  }

  /**
   * Starts a new run here. What a finished run left is replaced.
   * @throws UsageError where an unfinished run is: it should be resumed, or kept
   */
  async begin(recipe: Recipe): Promise<void> {
    const interrupted =
      (await pathKind(this.checkpoints)) === 'directory' && (await pathKind(this.modelFile)) !== 'file';
    if (interrupted) {
      throw new UsageError(
        `${this.path} holds a run that was interrupted: go on with --resume ${this.path}, choose another --out, or delete it`,
      );
    }
    await refused(this.path, async () => {
      await mkdir(this.path, { recursive: true });
      await rm(this.checkpoints, { recursive: true, force: true });
      await rm(this.modelFile, { force: true });
    });
    await this.writeRecipe(recipe);
    await this.writeHistory([]);
  }

  /** Goes on with a run that was begun here or in another folder; epochs after the checkpoint's are forgotten. */
  async proceed(recipe: Recipe, epochs: readonly EpochRecord[]): Promise<void> {
    await refused(this.path, () => mkdir(this.path, { recursive: true }));
    await this.writeRecipe(recipe);
    await this.writeHistory(epochs);
  }

  /** The recipe of the run that is here. @throws DataError where there is none, FormatError where it is damaged */
  async recipe(): Promise<Recipe> {
    const text = await readFile(this.recipeFile, 'utf8').catch((error: unknown) => {
      if ((error as { code?: unknown }).code === 'ENOENT')
        throw new DataError(`resume: ${this.path} holds no run (there is no run.json)`, { cause: error });
      throw fileError('file', this.recipeFile, error);
    });
    return parseRecipe(this.recipeFile, parse(this.recipeFile, text));
  }

  /** Where to resume from; undefined where the run stopped before its first checkpoint. */
  async latestCheckpoint(): Promise<string | undefined> {
    const saved = (await pathKind(join(this.checkpoints, 'latest'))) === 'file';
    return saved ? this.checkpoints : undefined;
  }

  /** Lines of history.jsonl; a last line that was cut off is left out. */
  async history(): Promise<EpochRecord[]> {
    const text = await readFile(this.historyFile, 'utf8').catch(() => '');
    const lines = text.split('\n').slice(0, -1);
    return lines.map((line) => parse(this.historyFile, line) as EpochRecord);
  }

  /** Adds the line of an epoch. */
  async append(epoch: EpochRecord): Promise<void> {
    await refused(this.historyFile, () => appendFile(this.historyFile, `${JSON.stringify(epoch)}\n`));
  }

  private writeRecipe(recipe: Recipe): Promise<void> {
    return writeText(this.recipeFile, `${JSON.stringify(recipe, null, 2)}\n`);
  }

  private writeHistory(epochs: readonly EpochRecord[]): Promise<void> {
    return writeText(this.historyFile, epochs.map((epoch) => `${JSON.stringify(epoch)}\n`).join(''));
  }
}

function parse(file: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new FormatError(`${file}: not valid JSON (${messageOf(error)})`, { cause: error });
  }
}

function writeText(file: string, text: string): Promise<void> {
  return writeFileAtomic(file, [Buffer.from(text)]);
}

/** What the system refuses becomes an IoError that names the path. */
async function refused(path: string, work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    throw new IoError(`${path} cannot be written: ${messageOf(error)}`, { cause: error });
  }
}
