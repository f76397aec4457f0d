/** What the exit codes mean, and which error leads to which. */
import { CommanderError } from 'commander';
import { TenonError } from '../errors';
import { messageOf } from '../options';
import { systemCode } from '../files/errors';

export const EXIT = {
  ok: 0,
  /** The run failed: data, files, numbers, the addon. */
  failed: 1,
  /** The command line itself is wrong. Nothing was started. */
  usage: 2,
  /** Stopped by SIGINT (128 + 2), after saving the state of a training run. */
  interrupted: 130,
  /** Stopped by SIGTERM (128 + 15). */
  terminated: 143,
} as const;

/** The table that `--help` shows; docs/command-line.md has the details. */
export const EXIT_HELP = `
Exit codes:
  0    success
  1    the run failed (data, files, numbers that are not finite, the addon)
  2    the command line is wrong (an unknown or bad option); nothing was started
  130  stopped by SIGINT (Ctrl-C), 143 by SIGTERM; training saves a checkpoint first`;

/** A failure as the outside sees it. */
export interface Failure {
  readonly exitCode: number;
  /** Stable identifier, for example `ERR_TENON_DATA`. */
  readonly code: string;
  readonly message: string;
}

const USAGE_CODES = new Set(['ERR_TENON_OPTION', 'ERR_TENON_USAGE']);

/** A command line that commander accepts but that does not make sense. */
export class UsageError extends TenonError {
  override readonly code: string = 'ERR_TENON_USAGE';
}

/** Rank 0 has failed and says why. The session of another rank only takes over the exit code. */
export class FirstRankFailed extends TenonError {
  override readonly code: string = 'ERR_TENON_DISTRIBUTED';

  constructor(readonly exitCode: number) {
    super('rank 0 failed');
  }
}

/**
 * The process ends before the command's promise has settled: a bug in tenon, or in something that it uses.
 */
export class UnfinishedError extends TenonError {
  override readonly code: string = 'ERR_TENON_UNFINISHED';
}

/** The exit code, code and message of anything thrown. */
export function failureOf(error: unknown): Failure {
  if (error instanceof CommanderError) {
    const said = error.message.replace(/^error: /, '').replaceAll(/\s*\n\s*/g, ' ');
    // Commander then shows the help; its own message is a placeholder.
    const message = error.code === 'commander.help' ? 'no command given' : said;
    return { exitCode: EXIT.usage, code: 'ERR_TENON_USAGE', message };
  }
  const code = systemCode(error) ?? 'ERR_UNKNOWN';
  return { exitCode: USAGE_CODES.has(code) ? EXIT.usage : EXIT.failed, code, message: messageOf(error) };
}
