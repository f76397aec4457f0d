/**
 * Finds and loads the addon: a local build (`tenon build`, or a checkout), else the platform package, else an
 * error that says what was looked for and what helps. The only file that loads it; lib/native.ts types it.
 */
import { existsSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { NativeError } from '../errors';
import { firstLineOf } from '../options';
import { problemOf } from './binary';
import { platformHere } from './platform';
import { copiesError, loadError, readManifest } from './remedies';
import type { Attempt, Home, Manifest } from './remedies';

/** What loading needs of any addon. */
interface Versioned {
  readonly version?: string;
  /** Takes the process for this addon. Returns the copy of tenon that has taken it with another, or ''. */
  claim(copy: string): string;
}

export interface LoadedAddon {
  readonly addon: object;
  readonly file: string;
  /** `local build` or `@tenon/linux-x64-gnu 0.1.0`. */
  readonly origin: string;
}

// lib/native/load.ts and dist/native/load.js are both two folders below it.
const folder = join(__dirname, '..', '..');

/**
 * Read once, at the start, because checkpoints name it and an upgrade may replace the package during a run.
 */
const manifest = readManifest(folder);

/** What was tried, and what came of it. */
type Result = LoadedAddon | Attempt;

function isLoaded(result: Result): result is LoadedAddon {
  return 'addon' in result;
}

function failed(where: string, from: Attempt['from'], cause: unknown): Attempt {
  return { from, where, found: 'a file that does not load', why: firstLineOf(cause), cause };
}

function otherVersion(
  where: string,
  from: Attempt['from'],
  version: string | undefined,
  wanted: string,
): Attempt {
  const why = `it has version ${version ?? 'unknown'}, and tenon has ${wanted}`;
  return { from, where, found: 'another version', why, cause: undefined };
}

function loadFile(file: string, from: Attempt['from'], where: string, wanted: string, home: Home): Result {
  try {
    const problem = problemOf(file);
    if (problem !== undefined) throw new Error(problem);
    const addon = createRequire(join(home.folder, 'package.json'))(file) as Versioned;
    const { version } = addon;
    if (version !== wanted) return otherVersion(where, from, version, wanted);
    return { addon, file, origin: from === 'package' ? where : from };
  } catch (cause) {
    return failed(where, from, cause);
  }
}

function loadLocal(home: Home): Result {
  const file = join(home.folder, 'build', 'Release', 'tenon.node');
  const from = 'local build';
  if (!existsSync(file))
    return { from, where: file, found: 'nothing', why: 'it is not there', cause: undefined };
  return loadFile(file, from, file, home.manifest.version, home);
}

function loadPackage(home: Home, name: string): Result {
  const wanted = home.manifest.version;
  const where = `${name} ${wanted}`;
  let file: string;
  try {
    file = createRequire(join(home.folder, 'package.json')).resolve(`${name}/package.json`);
  } catch (cause) {
    if ((cause as { code?: unknown }).code === 'ERR_ACCESS_DENIED') return failed(where, 'package', cause);
    return { from: 'package', where, found: 'nothing', why: 'it is not installed', cause };
  }
  const version = readManifest(dirname(file))?.version;
  if (version !== wanted) return otherVersion(where, 'package', version, wanted);
  return loadFile(join(dirname(file), 'tenon.node'), 'package', where, wanted, home);
}

function homeOf(read: Manifest | undefined): Home & { readonly manifest: Manifest } {
  if (read?.name !== 'tenon')
    throw new NativeError(
      `tenon's code runs outside its package: ${join(folder, 'package.json')} is not tenon's. If a bundler packed tenon into your program, leave it outside (esbuild --external:tenon) and install it where the program runs.`,
    );
  const modules = createRequire(join(folder, 'package.json')).resolve.paths('@tenon/x') ?? [];
  return { folder, manifest: read, modules };
}

/** tenon's version; '' where a bundler has taken it from its package. */
export const version = manifest?.name === 'tenon' ? manifest.version : '';

/** Loads the addon. @throws NativeError with what was looked for, what was found, and what helps */
export function loadAddon(): LoadedAddon {
  const home = homeOf(manifest);
  const local = loadLocal(home);
  if (isLoaded(local)) return claimed(local, home);
  const platform = platformHere();
  const found = loadPackage(home, platform.packageName);
  if (!isLoaded(found)) throw loadError([local, found], home, platform);
  if (local.found !== 'nothing')
    process.emitWarning(
      `tenon uses ${found.origin} instead of the local build ${local.where}: ${local.why}. Build it anew with npx tenon build, or remove it.`,
    );
  return claimed(found, home);
}

/**
 * One process has one addon, in all its threads. Several copies of one version may use it: pnpm and Bun
 * install one for each set of peer dependencies. The executor, memory and settings are the addon's; classes
 * are the copy's, so that an object of one is not an instance for the other (`madeHere` in lib/options.ts).
 */
function claimed(loaded: LoadedAddon, home: Home): LoadedAddon {
  const copy = `${realpathSync(home.folder)} (version ${home.manifest.version})`;
  const other = (loaded.addon as Versioned).claim(copy);
  if (other !== '') throw copiesError(other, copy, home.manifest);
  return loaded;
}
