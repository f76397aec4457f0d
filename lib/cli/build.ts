/** `tenon build`: compiles the addon, where nothing is prebuilt or for what this machine's compiler does. */
import type { Command } from 'commander';
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, mkdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { NativeError } from '../errors';
import { oneOf } from '../settings';
import { installTools } from './build-tools';
import { declareCommand } from './command';
import { EXIT } from './exit-codes';
import { flag } from './flags';
import type { Session } from './session';

// lib/cli and dist/cli are both two folders below it.
const root = join(__dirname, '..', '..');

const flags = {
  backend: flag('name', oneOf(['cmake', 'gyp'])('what runs the compiler', { optional: true }), {
    note: 'cmake where it is installed',
  }),
};

const INSTALL = `
  Debian, Ubuntu  apt-get install g++ make cmake
  Alpine          apk add g++ make cmake
  Fedora, RHEL    dnf install gcc-c++ make cmake
  macOS           xcode-select --install, and cmake or python3`;

export function buildCommand(session: Session): Command {
  const about = 'compile the addon with the C++ compiler of this machine';
  return declareCommand(session, { name: 'build', about, flags }, async ({ backend }) =>
    build(session, backend),
  );
}

function onPath(...programs: readonly string[]): boolean {
  const folders = (process.env.PATH ?? '').split(delimiter);
  const endings = process.platform === 'win32' ? ['.exe', '.cmd'] : [''];
  return programs.some((program) =>
    folders.some((folder) => endings.some((ending) => existsSync(join(folder, program + ending)))),
  );
}

/** @throws NativeError naming everything that is missing, before anything is begun */
function checkMachine(backend: string | undefined): void {
  const missing: string[] = [];
  if (process.platform !== 'win32') {
    if (!process.env.CXX && !onPath('c++', 'g++', 'clang++'))
      missing.push('a C++20 compiler (g++ or clang++)');
    if (!onPath('make', 'ninja')) missing.push('make');
  }
  if (backend === 'cmake' && !onPath('cmake')) missing.push('cmake');
  if (backend === 'gyp' && !onPath('python3', 'python')) missing.push('python3');
  if (backend === undefined && !onPath('cmake', 'python3', 'python')) missing.push('cmake or python3');
  if (missing.length > 0)
    throw new NativeError(`building the addon needs ${missing.join(', and ')}:${INSTALL}`);
}

function checkFolder(): void {
  if (root.includes('.zip'))
    throw new NativeError(
      `tenon is inside an archive, ${root}: yarn unplug tenon, yarn install, and build again`,
    );
  try {
    mkdirSync(join(root, 'build'), { recursive: true });
    accessSync(join(root, 'build'), constants.W_OK);
  } catch (cause) {
    throw new NativeError(`${join(root, 'build')} cannot be written: build as its owner`, { cause });
  }
}

function build({ output }: Session, backend: string | undefined): number {
  checkMachine(backend);
  checkFolder();
  const checkout = existsSync(join(root, 'scripts', 'prepare.js'));
  if (!checkout) installTools(root);
  const program = join(root, 'scripts', 'build-native.js');
  const chosen = backend === undefined ? [] : ['--backend', backend];
  // What the tools print is for people; with --json, standard output holds JSON only.
  const { status } = spawnSync(process.execPath, [program, ...chosen], { stdio: ['ignore', 2, 2] });
  if (status !== 0)
    throw new NativeError(`the addon was not built (exit ${String(status)}); the lines above say why`);
  output.line(`The addon is in ${join(root, 'build', 'Release')}; tenon doctor tells its compiler.`);
  return EXIT.ok;
}
