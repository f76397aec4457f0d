/** Where a command writes: text for people, or one JSON object a line for programs. */

/** A stream as the commands use it; process.stdout is one. */
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

/** What `--json` lines are about. */
export type EventName = 'start' | 'epoch' | 'prediction' | 'done' | 'error';

/** Numbers that JSON lacks become null, so that every line can be parsed. */
type Field =
  string | number | boolean | null | undefined | readonly Field[] | { readonly [key: string]: Field };

export class Output {
  constructor(
    private readonly streams: Streams,
    readonly json: boolean,
  ) {}

  /** Whether a person watches. */
  get interactive(): boolean {
    return !this.json && this.streams.stdout.isTTY === true;
  }

  /** One JSON line; nothing where text is wanted. */
  event(event: EventName, fields: Readonly<Record<string, Field>>): void {
    if (this.json) this.streams.stdout.write(`${JSON.stringify({ event, ...fields })}\n`);
  }

  /** A line for people; nothing where JSON is wanted. */
  line(text = ''): void {
    if (!this.json) this.streams.stdout.write(`${text}\n`);
  }

  /** A failure: a JSON line, or one on the error stream. */
  failure(code: string, message: string): void {
    this.event('error', { code, message });
    if (!this.json) this.streams.stderr.write(`tenon: ${message}\n`);
  }

  /** Something worth knowing that stops nothing. */
  warning(message: string): void {
    this.streams.stderr.write(`tenon: ${message}\n`);
  }
}

/** A share as people write it: 98.42%. */
export function percent(share: number): string {
  return `${(100 * share).toFixed(2)}%`;
}
