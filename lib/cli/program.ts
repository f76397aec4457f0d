/** The whole command line as a function of its arguments and streams, so that tests can call it. */
import { Command, CommanderError } from 'commander';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { benchCommand } from './bench';
import { buildCommand } from './build';
import { doctorCommand } from './doctor';
import { evaluateCommand } from './evaluate';
import { EXIT_HELP } from './exit-codes';
import type { Streams } from './output';
import { inspectCommand } from './inspect';
import { predictCommand } from './predict';
import { Session } from './session';
import { trainCommand } from './train';
import { tuneCommand } from './tune';

const EXAMPLES = `
Examples:
  tenon train                                    trains on the embedded data set, in well under a minute
  tenon train --dataset mnist --data data/mnist --out runs/mnist
  tenon train --resume runs/mnist                continues where the run stopped
  tenon tune --search 'lr=log(1e-4,1)' --search 'optimizer=sgd|adam' --trials 20
  tenon evaluate --model-file runs/mnist/model.safetensors --dataset mnist --data data/mnist
  tenon predict --model-file runs/mnist/model.safetensors digit.png
  tenon inspect --data photos                    classes, sizes and broken files of an image folder`;

function packageVersion(): string {
  // The path is the same from lib/cli and from dist/cli.
  const manifest = join(__dirname, '..', '..', 'package.json');
  return (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version;
}

/** The commands and their options; `session` performs them. */
export function buildProgram(session: Session): Command {
  const program = new Command('tenon')
    .description('Train, evaluate and use convolutional networks on this machine.')
    .version(packageVersion())
    .addHelpText('after', `${EXAMPLES}\n${EXIT_HELP}`)
    // So that a command sees which of its subcommands stands before an option.
    .enablePositionalOptions()
    .helpCommand(false);
  const commands = [
    trainCommand,
    tuneCommand,
    evaluateCommand,
    predictCommand,
    inspectCommand,
    benchCommand,
    doctorCommand,
    buildCommand,
  ];
  program.hook('preAction', (_, command) => {
    session.options = command.options;
  });
  for (const command of commands) program.addCommand(command(session));
  for (const command of withSubcommands(program)) {
    command.exitOverride().configureOutput({
      writeOut: (text) => session.streams.stdout.write(text),
      writeErr: (text) => session.streams.stderr.write(text),
      outputError: () => undefined, // The session reports errors, once.
    });
  }
  return program;
}

function withSubcommands(command: Command): readonly Command[] {
  return [command, ...command.commands.flatMap(withSubcommands)];
}

/** Runs one command line (without the program's name) and returns its exit code. Never throws. */
export async function runCommand(args: readonly string[], streams: Streams): Promise<number> {
  const session = new Session(streams, args.includes('--json'));
  const release = session.watchExit();
  try {
    await buildProgram(session).parseAsync([...args], { from: 'user' });
  } catch (error) {
    // --help and --version end the parse by throwing, but are not failures.
    if (!(error instanceof CommanderError && error.exitCode === 0)) session.fail(error);
  } finally {
    release();
  }
  return session.exitCode;
}
