/** `tenon build`: compiles the addon, where nothing is prebuilt or for what this machine's compiler does. */
import type { Command } from 'commander';
import { accessSync, constants, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { NativeError } from '../errors';
import { systemCode } from '../files/errors';
import { bool, oneOf } from '../settings';
import { BACKENDS, buildScript, chooseBackend, type Backend } from './build-machine';
import { runScript } from './build-process';
import { installTools } from './build-tools';
import { declareCommand } from './command';
import { EXIT } from './exit-codes';
import { flag, JSON_LINES } from './flags';
import type { Session } from './session';

// lib/cli and dist/cli are both two folders below it.
const root = join(__dirname, '..', '..');

const flags = {
  backend: flag('name', oneOf(BACKENDS)('what runs the compiler', { optional: true }), {
    note: 'cmake where it is installed',
  }),
  openmp: bool('run parallel loops on the threads of an OpenMP runtime', { default: false }),
  json: JSON_LINES,
};

export function buildCommand(session: Session): Command {
  const about = 'compile the addon with the C++ compiler of this machine';
  return declareCommand(session, { name: 'build', about, flags }, async ({ backend, openmp }) =>
    build(session, backend, openmp),
  );
}

function checkFolder(): void {
  if (root.includes('.zip'))
    throw new NativeError(
      `tenon is inside an archive, ${root}: yarn unplug tenon, yarn install, and build again`,
    );
  const folder = join(root, 'build');
  try {
    mkdirSync(folder, { recursive: true });
    accessSync(folder, constants.W_OK);
  } catch (cause) {
    const code = systemCode(cause) ?? 'unknown error';
    const remedy =
      code === 'EROFS'
        ? 'the file system is read-only; build where it is not, as in the image of a container'
        : 'build as the user who installed tenon (sudo npx tenon build after sudo npm install), or install tenon into a folder of your own (npm install tenon)';
    throw new NativeError(`${folder} cannot be written (${code}): ${remedy}`, { cause });
  }
}

async function build(session: Session, asked: Backend | undefined, openmp = false): Promise<number> {
  const { output, signal } = session;
  const begun = performance.now();
  const script = buildScript(root);
  const { addon, file } = script;
  const backend = chooseBackend(script, asked);
  checkFolder();
  output.event('start', { backend });
  const checkout = existsSync(join(root, 'scripts', 'prepare.js'));
  if (!checkout) await installTools(root, signal);
  const args = [file, '--backend', backend, ...(openmp ? ['--openmp'] : [])];
  const status = signal.aborted ? null : await runScript({ args, signal });
  if (signal.aborted) return session.interruptedCode;
  if (status !== 0)
    throw new NativeError(
      `the addon was not built (exit ${String(status)}); what the tools printed on standard error says why`,
    );
  output.event('done', { backend, addon, seconds: (performance.now() - begun) / 1000 });
  output.line(`The addon is ${addon}; tenon doctor tells its compiler.`);
  return EXIT.ok;
}
