/** One call of the command: its streams, its output form, its interruption, its exit code. */
import { EXIT, failureOf } from './exit-codes';
import { Output, type Streams } from './output';

export class Session {
  readonly output: Output;
  exitCode: number = EXIT.ok;
  private readonly controller = new AbortController();
  private signalName: 'SIGINT' | 'SIGTERM' | undefined;

  constructor(
    readonly streams: Streams,
    json: boolean,
  ) {
    this.output = new Output(streams, json);
  }

  /** Fires at the first SIGINT or SIGTERM: finish the step, save, stop. */
  get signal(): AbortSignal {
    return this.controller.signal;
  }

  /** Runs a command's body; its failure becomes one line and an exit code. */
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

  /** Reports anything thrown. TENON_DEBUG=1 shows the stack as well. */
  fail(error: unknown): void {
    const { code, message, exitCode } = failureOf(error);
    this.exitCode = this.signalName === undefined ? exitCode : this.interruptedCode;
    this.output.failure(code, message);
    if (process.env.TENON_DEBUG === '1' && error instanceof Error) {
      this.streams.stderr.write(`${error.stack ?? ''}\n`);
    }
  }

  /** The exit code after an interruption. */
  get interruptedCode(): number {
    return this.signalName === 'SIGTERM' ? EXIT.terminated : EXIT.interrupted;
  }

  private listen(): () => void {
    const stop = (name: 'SIGINT' | 'SIGTERM'): void => {
      // The second one means now; checkpoints are renamed into place, so none is left half written.
      if (this.signalName !== undefined) process.exit(this.interruptedCode);
      this.signalName = name;
      this.output.warning(`${name}: stopping after this step (once more to stop at once)`);
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
