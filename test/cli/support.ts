/** Calls the command as the shell would, streams captured. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCommand } from '../../lib/cli/program';

export const root = join(__dirname, '..', '..');

/** The command for another process. That needs the built package, which `npm test` makes first. */
export const main = join(root, 'dist', 'cli', 'main.js');
export const itBuilt = existsSync(main) ? it : it.skip;

export interface Result {
  readonly code: number;
  readonly out: string;
  readonly err: string;
  /** Standard output as JSON, a value a line. */
  readonly lines: Record<string, unknown>[];
}

export async function tenon(...args: (string | number)[]): Promise<Result> {
  let out = '';
  let err = '';
  const streams = {
    stdout: { write: (text: string) => void (out += text) },
    stderr: { write: (text: string) => void (err += text) },
  };
  const code = await runCommand(args.map(String), streams);
  return {
    code,
    out,
    err,
    get lines() {
      const lines = out.split('\n').slice(0, -1);
      return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    },
  };
}

/** A directory that is removed after the tests of the file. */
export function temporaryDirectory(): string {
  const dir = mkdtempSync(join(tmpdir(), 'tenon-cli-'));
  afterAll(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}
