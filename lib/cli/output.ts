/** Where a command writes: text for people, or one JSON object per line for programs. */

/** A stream as the commands use it, such as process.stdout. */
export interface TextStream {
  readonly isTTY?: boolean;
  write(text: string): unknown;
  on?(event: 'error', listener: () => void): unknown;
}

/** The two streams of a command. */
export interface Streams {
  readonly stdout: TextStream;
  readonly stderr: TextStream;
}

/** The kinds of `--json` lines. */
export type EventName = 'start' | 'epoch' | 'trial' | 'prediction' | 'split' | 'sheet' | 'done' | 'error';

/** Numbers that JSON does not have become null, so that every line can be parsed. */
type Field =
  string | number | boolean | null | undefined | readonly Field[] | { readonly [key: string]: Field };

export class Output {
  private owner: string | undefined;

  constructor(
    private readonly streams: Streams,
    readonly json: boolean,
  ) {}

  /**
   * From now on only failures are printed, with the name of the process: of several that work
   * together, one speaks.
   */
  mute(name: string): void {
    this.owner = name;
  }

  /** Whether a person is watching. */
  get interactive(): boolean {
    return this.owner === undefined && !this.json && this.streams.stdout.isTTY === true;
  }

  /** Writes one line with `--json`, and nothing without. */
  event(event: EventName, fields: Readonly<Record<string, Field>>): void {
    if (this.json && this.owner === undefined) this.writeEvent(event, fields);
  }

  /** Writes a line for people, and nothing with `--json`. */
  line(text = ''): void {
    if (!this.json && this.owner === undefined) this.streams.stdout.write(`${text}\n`);
  }

  /** Reports a failure: as a JSON line, or on the error stream. */
  failure(code: string, message: string): void {
    const text = this.owner === undefined ? message : `${this.owner}: ${message}`;
    if (this.json) this.writeEvent('error', { code, message: text });
    else this.streams.stderr.write(`tenon: ${text}\n`);
  }

  /** Reports a problem that does not stop the command. */
  warning(message: string): void {
    if (this.owner === undefined) this.streams.stderr.write(`tenon: ${message}\n`);
  }

  private writeEvent(event: EventName, fields: Readonly<Record<string, Field>>): void {
    this.streams.stdout.write(`${JSON.stringify({ event, ...fields })}\n`);
  }
}

/** A share as a percentage: 98.42%. */
export function percent(share: number): string {
  return `${(100 * share).toFixed(2)}%`;
}
