/** What compiling the addon takes of this machine, and the commands that install what is missing. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { NativeError } from '../errors';

export const BACKENDS = ['cmake', 'gyp'] as const;
export type Backend = (typeof BACKENDS)[number];

/** scripts/build-native.js, which chooses where nobody did, and runs the compiler. */
export interface BuildScript {
  /** The file that it builds. */
  readonly addon: string;
  readonly backendHere: () => Backend;
  readonly onPath: (...programs: readonly string[]) => string | undefined;
}

export function buildScript(root: string): BuildScript & { readonly file: string } {
  const file = join(root, 'scripts', 'build-native.js');
  return { ...(createRequire(file)(file) as BuildScript), file };
}

/** Something that is missing, in words, and what installs it on each system, if that is always the same. */
interface Missing {
  readonly what: string;
  readonly install?: Readonly<Record<System, string>>;
}

/** How each system installs packages; macOS has a command for each. */
const SYSTEMS = {
  'Debian, Ubuntu': 'apt-get install ',
  Alpine: 'apk add ',
  'Fedora, RHEL': 'dnf install ',
  macOS: '',
} as const;
type System = keyof typeof SYSTEMS;

function packages(name: string, fedora: string, macos: string): Record<System, string> {
  return { 'Debian, Ubuntu': name, Alpine: name, 'Fedora, RHEL': fedora, macOS: macos };
}

const XCODE = 'xcode-select --install';
const COMPILER = packages('g++', 'gcc-c++', XCODE);
const MAKE = { what: 'make', install: packages('make', 'make', XCODE) };
const PYTHON = { what: 'python3', install: packages('python3', 'python3', XCODE) };
const CMAKE = { what: 'cmake', install: packages('cmake', 'cmake', 'brew install cmake') };

/** The least versions that know C++20 well enough. */
const LEAST = { GCC: 11, Clang: 15 } as const;

/** What is missing of a compiler; undefined where there is one that suffices. */
function missingCompiler(backend: Backend, { onPath }: BuildScript): Missing | undefined {
  const named = process.env.CXX?.trim().split(/\s+/)[0];
  if (named !== undefined && named !== '' && !existsSync(named) && onPath(named) === undefined)
    return { what: `the compiler that CXX names (there is no ${named})` };
  // node-gyp runs g++, whatever else there is.
  const usual = backend === 'gyp' && process.platform === 'linux' ? ['g++'] : ['c++', 'g++', 'clang++'];
  const compiler = named || onPath(...usual);
  const wanted = usual.length === 1 ? 'g++, or the one that CXX names' : 'g++ or clang++';
  if (compiler === undefined) return { what: `a C++20 compiler (${wanted})`, install: COMPILER };
  const { stdout } = spawnSync(compiler, ['--version'], { encoding: 'utf8' });
  const found = versionIn(stdout ?? '');
  if (found === undefined || found.version >= LEAST[found.family]) return undefined;
  const { family, version } = found;
  return {
    what: `${family} ${LEAST[family]} or newer (${compiler} is ${version}; name another one as CXX=g++-12)`,
  };
}

/** The family and the version that a compiler prints; undefined of one that we do not know. */
function versionIn(text: string): { readonly family: 'GCC' | 'Clang'; readonly version: number } | undefined {
  const first = text.split('\n')[0]!;
  // Apple counts otherwise.
  if (first.startsWith('Apple')) return undefined;
  const clang = /clang version (\d+)/.exec(first)?.[1];
  if (clang !== undefined) return { family: 'Clang', version: Number(clang) };
  const gcc = /Free Software Foundation/.test(text)
    ? /(\d+)\.\d+(?:\.\d+)?\b[^)]*$/.exec(first)?.[1]
    : undefined;
  return gcc === undefined ? undefined : { family: 'GCC', version: Number(gcc) };
}

function missingFor(backend: Backend, script: BuildScript): Missing[] {
  const { onPath } = script;
  const missing: (Missing | undefined)[] = [];
  if (process.platform !== 'win32') {
    missing.push(missingCompiler(backend, script));
    // cmake takes ninja as well.
    const make = backend === 'gyp' ? onPath('make') : onPath('make', 'ninja');
    if (make === undefined) missing.push(MAKE);
  }
  if (backend === 'cmake' && onPath('cmake') === undefined) missing.push(CMAKE);
  if (backend === 'gyp' && onPath('python3', 'python') === undefined) missing.push(PYTHON);
  return missing.filter((one) => one !== undefined);
}

/** A line for each system, with what installs all that is missing. */
function commands(missing: readonly Missing[]): string[] {
  const installs = missing.flatMap(({ install }) => install ?? []);
  if (installs.length === 0) return [];
  return (Object.keys(SYSTEMS) as System[]).map((system) => {
    const names = new Set(installs.map((install) => install[system]));
    return `  ${system.padEnd(14)}  ${SYSTEMS[system]}${[...names].join(system === 'macOS' ? ', ' : ' ')}`;
  });
}

/**
 * What runs the compiler here: what was asked for, or what there is.
 * @throws NativeError naming everything that is missing, before anything is begun
 */
export function chooseBackend(script: BuildScript, asked: Backend | undefined): Backend {
  const backend = asked ?? script.backendHere();
  const missing = missingFor(backend, script);
  if (missing.length === 0) return backend;
  const other = BACKENDS.find((name) => name !== asked && missingFor(name, script).length === 0);
  throw new NativeError(
    [
      `building the addon${asked === undefined ? '' : ` with ${asked}`} needs ${missing.map(({ what }) => what).join(', and ')}:`,
      ...commands(missing),
      ...(other === undefined ? [] : [`This machine has all that --backend ${other} takes.`]),
    ].join('\n'),
  );
}
