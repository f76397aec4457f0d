/** One run of the command: its streams, form of output, interruption and exit code. */
import type { Option } from 'commander';
import { TenonError } from '../errors';
import { EXIT, FirstRankFailed, UnfinishedError, failureOf } from './exit-codes';
import { spelledAsFlags } from './flags';
import { Output, type Streams } from './output';

export class Session {
  readonly output: Output;
  exitCode: number = EXIT.ok;
  /** The options of the command that runs, for messages that spell them as the command line does. */
  options: readonly Option[] = [];
  private readonly controller = new AbortController();
  private signalName: 'SIGINT' | 'SIGTERM' | undefined;

  constructor(
    readonly streams: Streams,
    json: boolean,
  ) {
    this.output = new Output(streams, json);
    streams.stdout.on?.('error', () => this.readerLeft());
    // An error that cannot be printed must not end the command, least of all while it saves its state.
    streams.stderr.on?.('error', () => undefined);
  }

  /** Fires at the first SIGINT or SIGTERM. The command then finishes its step, saves and stops. */
  get signal(): AbortSignal {
    return this.controller.signal;
  }

  /** Runs a command's body. A failure becomes one line and an exit code. */
  async perform(body: (session: Session) => Promise<number>): Promise<void> {
    const release = this.listen();
    try {
      this.exitCode = await body(this);
    } catch (error) {
      this.fail(error);
    } finally {
      release();
    }
  }

  /** Reports anything thrown. TENON_DEBUG=1 also shows the stack. */
  fail(error: unknown): void {
    if (error instanceof FirstRankFailed) {
      this.exitCode = error.exitCode;
      return;
    }
    const { code, message, exitCode } = failureOf(error);
    this.exitCode = this.signalName === undefined ? exitCode : this.interruptedCode;
    const text = error instanceof TenonError ? spelledAsFlags(message, this.options) : message;
    this.output.failure(code, text);
    if (process.env.TENON_DEBUG === '1' && error instanceof Error) {
      this.streams.stderr.write(`${error.stack ?? ''}\n`);
    }
  }

  /** The exit code after an interruption. */
  get interruptedCode(): number {
    return this.signalName === 'SIGTERM' ? EXIT.terminated : EXIT.interrupted;
  }

  /**
   * The reader of standard output has closed it, as in `tenon train --json | head`. This ends the run,
   * quietly but not as a success. An interrupted run continues to its end: Ctrl-C in `tenon train | tee log`
   * also ends the reader, and the state must still be saved.
   */
  private readerLeft(): void {
    // The signal that ended the reader may be on its way here.
    setTimeout(() => {
      if (!this.signal.aborted) process.exit(EXIT.failed);
    }, 100);
  }

  /**
   * Node ends a process with exit code 0 when nothing is left that could wake it, even if something is still
   * awaited. Such an end is a failure until the returned function is called.
   */
  watchExit(): () => void {
    const onExit = (code: number): void => {
      if (code !== EXIT.ok) return;
      this.fail(
        new UnfinishedError(
          'the process ended before the command was done: what it waits for can no longer come',
        ),
      );
      process.exitCode = this.exitCode;
    };
    process.once('exit', onExit);
    return () => process.off('exit', onExit);
  }

  private listen(): () => void {
    const stop = (name: 'SIGINT' | 'SIGTERM'): void => {
      // A second signal stops at once. Checkpoints are renamed into place, so none is left half written.
      if (this.signalName !== undefined) process.exit(this.interruptedCode);
      this.signalName = name;
      this.output.warning(`${name}: stopping after this step (repeat the signal to stop at once)`);
      this.controller.abort();
    };
    const onInterrupt = (): void => stop('SIGINT');
    const onTerminate = (): void => stop('SIGTERM');
    process.on('SIGINT', onInterrupt);
    process.on('SIGTERM', onTerminate);
    return () => {
      process.off('SIGINT', onInterrupt);
      process.off('SIGTERM', onTerminate);
    };
  }
}
