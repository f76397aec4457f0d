/** A study to look at: an open one, or a log that is only read. */
import type { Stats } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError, FormatError, OptionError } from '../../errors';
import { fileError } from '../../files/errors';
import { clip, nonEmptyString, show } from '../../options';
import type { Json } from '../../settings';
import type { Dimension } from '../space/dimension';
import { readSpace } from '../space/parameters';
import { dimensionsOf } from '../space/space';
import type { Home } from '../study/home';
import { journalToRead } from '../study/journal';
import { StudyLog } from '../study/log';
import { NOTE } from '../study/notes';
import { Study } from '../study/study';
import type { Judged } from './importance';

/** What the study was made with, as it stands in its record; undefined where it does not say. */
export interface Setup {
  readonly space?: Json;
  readonly strategy?: Json;
  readonly rules?: Json;
}

export interface Source extends Judged {
  /** Where the log stands: a path, or a database without its password. */
  readonly place: string;
  readonly name: string;
  /** Counts how often another log took the place of the one before. */
  readonly replaced: number;
  readonly setup: Setup;
  /** Those of the space, each choice before those that depend on it. Empty where the record has none. */
  readonly dimensions: readonly Dimension[];
  /** What Optuna calls the objectives, where somebody has named them. */
  readonly metrics: readonly string[];
  /** Reads what has been appended. @throws FormatError, DataError, IoError */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** What can be shown: an open study, a folder or a journal by its path, or another home. */
export type Shown = Study | Home | string;

/** Optuna's note of the names of objectives. */
const METRICS = 'study:metric_names';

/**
 * Opens it and reads it to its end. Nothing is written, made or locked.
 * @param name which study, where the log holds several
 * @throws OptionError, DataError where there is no study, FormatError, IoError
 */
export async function openSource(where: string, shown: Shown, name?: string): Promise<Source> {
  const wanted = name === undefined ? undefined : nonEmptyString(where, 'name', name);
  const source = sourceOf(where, shown, wanted);
  try {
    await source.sync();
    return source;
  } catch (error) {
    await source.close();
    throw error;
  }
}

function sourceOf(where: string, shown: Shown, name: string | undefined): Source {
  if (typeof shown === 'string') return new FileSource(where, nonEmptyString(where, 'study', shown), name);
  if (shown instanceof Study) return new OpenStudy(shown);
  if (typeof shown === 'object' && shown !== null && typeof shown.read === 'function')
    return new LogSource(where, shown, name);
  throw new OptionError(`${where}: expected a study, its folder or its journal, got ${show(shown)}`);
}

/** A study that this process works on. */
class OpenStudy implements Source {
  readonly replaced = 0;
  readonly metrics = [];

  constructor(private readonly study: Study) {}

  get place() {
    return this.study.name;
  }
  get name() {
    return this.study.studyName;
  }
  get trials() {
    return this.study.trials;
  }
  get directions() {
    return this.study.directions;
  }
  get dimensions() {
    return this.study.dimensions;
  }

  get setup(): Setup {
    const { space, strategy, rules } = this.study;
    const { name, seed, settings } = strategy;
    return {
      space: JSON.parse(JSON.stringify(space)) as Json,
      strategy: { name, seed, settings },
      rules: rules.map((rule) => ({ name: rule.name, settings: rule.settings })),
    };
  }

  sync(): Promise<void> {
    return this.study.sync();
  }

  /** It belongs to whoever opened it. */
  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** A log that others write. */
class LogSource implements Source {
  replaced = 0;
  private log: StudyLog | undefined;
  private known: { readonly space: Json | undefined; readonly dimensions: readonly Dimension[] } | undefined;

  constructor(
    protected readonly where: string,
    protected home: Home,
    private readonly wanted: string | undefined,
  ) {}

  get place() {
    return this.home.name;
  }
  get name() {
    return this.log?.replay.name ?? '';
  }
  get trials() {
    return this.log?.replay.trials ?? [];
  }
  get directions() {
    return this.log?.replay.directions ?? [];
  }
  get dimensions() {
    return this.known?.dimensions ?? [];
  }

  get setup(): Setup {
    return { space: this.note(NOTE.space), strategy: this.note(NOTE.strategy), rules: this.note(NOTE.rules) };
  }

  get metrics(): readonly string[] {
    const names = this.note(METRICS);
    return Array.isArray(names) ? names.map(String) : [];
  }

  async sync(): Promise<void> {
    this.log ??= new StudyLog(this.home, this.wanted ?? (await this.onlyName()));
    await this.log.sync();
    if (this.log.replay.id === undefined) {
      const name = clip(this.log.replay.name);
      this.log = undefined;
      throw new DataError(`${this.where}: ${this.place} has no study ${name}`);
    }
    this.readSpace(this.log);
  }

  async close(): Promise<void> {
    // The home belongs to whoever made it.
  }

  /** Forgets what was read, since it stands no more. */
  protected restart(home: Home): void {
    this.home = home;
    this.log = undefined;
    this.known = undefined;
    this.replaced++;
  }

  private note(key: string): Json | undefined {
    return this.log?.replay.notes.get(key);
  }

  private async onlyName(): Promise<string> {
    const log = new StudyLog(this.home, '');
    await log.sync();
    const [name, ...others] = log.replay.names;
    if (name === undefined) throw new DataError(`${this.where}: ${this.place} has no study yet`);
    if (others.length === 0) return name;
    const names = clip(log.replay.names.join(', '));
    throw new OptionError(`${this.where}: ${this.place} holds several studies; name must be one of ${names}`);
  }

  private readSpace({ replay }: StudyLog): void {
    const space = this.note(NOTE.space);
    if (this.known !== undefined && this.known.space === space) return;
    try {
      const dimensions = space === undefined ? [] : dimensionsOf(this.where, readSpace('its space', space));
      this.known = { space, dimensions };
      replay.search(dimensions);
    } catch (error) {
      throw new FormatError(`${clip(this.place)}: the study's space is damaged`, { cause: error });
    }
  }
}

/** Enough of a journal to tell it from another: its first line names the process that made it. */
const HEAD = 512;

/** A journal by its path, which may be replaced while it is watched. */
class FileSource extends LogSource {
  private path: string | undefined;
  private identity: string | undefined;

  constructor(
    where: string,
    private readonly given: string,
    name: string | undefined,
  ) {
    super(where, journalToRead(given), name);
  }

  override async sync(): Promise<void> {
    const path = await this.find();
    const identity = await identityOf(path);
    if (path !== this.path || identity !== this.identity) {
      this.restart(journalToRead(path));
      [this.path, this.identity] = [path, identity];
    }
    try {
      await super.sync();
    } catch (error) {
      // It may have been cut off or written anew; the next look begins at its first line.
      this.identity = '';
      throw error;
    }
  }

  private async find(): Promise<string> {
    const folder = (await statOf(this.given)).isDirectory();
    const path = folder ? join(this.given, 'study.log') : this.given;
    // Whoever opens a pipe waits for its writer.
    if (!(await statOf(path)).isFile()) throw new DataError(`study ${clip(path)} is not a regular file`);
    return path;
  }
}

async function statOf(path: string): Promise<Stats> {
  try {
    return await stat(path);
  } catch (error) {
    throw fileError('study', path, error);
  }
}

async function identityOf(path: string): Promise<string> {
  try {
    const file = await open(path, 'r');
    try {
      const { dev, ino } = await file.stat();
      const { buffer, bytesRead } = await file.read(Buffer.alloc(HEAD), 0, HEAD, 0);
      return `${dev} ${ino} ${buffer.toString('latin1', 0, bytesRead).split('\n', 1)[0]}`;
    } finally {
      await file.close();
    }
  } catch (error) {
    throw fileError('study', path, error);
  }
}
