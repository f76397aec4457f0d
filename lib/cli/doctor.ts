/**
 * `tenon doctor`: what this machine offers, what tenon uses of it, and why. Bug reports should include it.
 */
import type { Command } from 'commander';
import { freemem, totalmem } from 'node:os';
import { probe } from '../data/decode';
import { NativeError } from '../errors';
import { messageOf } from '../options';
import { info, type NativeInfo } from '../native';
import { affine } from '../ops';
import { bool } from '../settings';
import { tensor } from '../tensor/tensor';
import { declareCommand, type Given } from './command';
import { describeMpi, mpiFacts, mpiFields } from './doctor-mpi';
import { EXIT, failureOf } from './exit-codes';
import { JSON_LINES } from './flags';
import { percent } from './output';
import type { Session } from './session';

/** A grey PNG of one pixel, which sharp has to read. */
const ONE_PIXEL = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==',
  'base64',
);

const FLAGS = {
  mpi: bool('also the library of MPI, the launcher, the ranks and how fast they exchange bytes', {
    default: false,
  }),
  json: JSON_LINES,
};

export function doctorCommand(session: Session): Command {
  const about = 'print the processor, the instruction set and threads in use and why, the build, and memory';
  return declareCommand(session, { name: 'doctor', about, flags: FLAGS }, (given) => doctor(session, given));
}

async function doctor(session: Session, { mpi }: Given<typeof FLAGS>): Promise<number> {
  const { output } = session;
  let native: NativeInfo;
  try {
    native = info();
    checkArithmetic();
  } catch (error) {
    // Any error here means that something is wrong, also a TENON_ISA that this machine lacks. The message
    // says what to do.
    const { code, message } = failureOf(error);
    output.line('addon         cannot be used');
    output.failure(code, message);
    return EXIT.failed;
  }
  const job = mpi === true ? await mpiFacts() : undefined;
  if (job !== undefined && job.rank > 0) return EXIT.ok;
  native = info(); // ranks of a host share its threads
  const images = await imageSupport();
  const system = `Node ${process.versions.node}, Node-API ${process.versions.napi ?? '?'}, ${process.platform} ${process.arch}`;
  output.event('done', { ...native, node: system, images, ...(job && { mpi: mpiFields(job) }) });
  for (const [name, value] of describeMachine(native)) output.line(`${name.padEnd(14)}${value}`);
  output.line(`node          ${system}`);
  output.line(`images        ${images.ok ? 'sharp is installed' : images.problem}`);
  for (const [name, value] of job === undefined ? [] : describeMpi(job))
    output.line(`${name.padEnd(14)}${value}`);
  output.line('\nEverything needed for training is in order.');
  return EXIT.ok;
}

/** Runs one small program: an addon that loads but computes wrong results must not pass. */
function checkArithmetic(): void {
  const got = [...affine(tensor([1, 2, 3]), 2, 1).dataSync()];
  if (got.join() !== '3,5,7') {
    throw new NativeError(
      `the addon computes wrong results: 2 x + 1 of [1, 2, 3] came out as [${got.join(', ')}]`,
    );
  }
}

const POOLS: Readonly<Record<NativeInfo['threadPool'], string>> = {
  team: "of tenon's own",
  openmp: 'of an OpenMP runtime',
};

function describeMachine(native: NativeInfo): [string, string][] {
  const { buffers, arenas, staging, derived, programs, limit } = native.memory;
  const held = `this process may have ${size(limit)}, and holds ${size(buffers + arenas + staging + derived)} in ${programs} programs`;
  return [
    ['tenon', native.version],
    ['processor', `${native.cpu} (${native.features.join(', ') || 'no vector extensions'})`],
    ['instructions', `${native.isa}: ${native.isaReason}`],
    ['bf16', `${native.bf16.path}: ${native.bf16.reason}`],
    ['threads', `${native.threads} ${POOLS[native.threadPool]}: ${native.threadsReason}`],
    [
      'predictions',
      `${percent(native.predictionShare)} of the time beside training: ${native.predictionShareReason}`,
    ],
    ['build', `${native.compiler}, ${native.build}`],
    ['addon', `${native.origin}: ${native.addon}`],
    ['memory', `${size(freemem())} of ${size(totalmem())} free; ${held}`],
  ];
}

async function imageSupport(): Promise<{ ok: boolean; problem: string | null }> {
  try {
    await probe(ONE_PIXEL, 'test image');
    return { ok: true, problem: null };
  } catch (error) {
    return { ok: false, problem: `${messageOf(error)}; only image files need it` };
  }
}

/** A number of bytes with a unit. */
function size(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024;
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit] ?? ''}`;
}
