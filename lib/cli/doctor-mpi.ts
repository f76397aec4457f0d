/** What `tenon doctor --mpi` tells of the job that it is a part of, or of the libraries where it is none. */
import { join } from '../distributed';
import { bindingProblem, counted, placeOfThis, type RankPlace } from '../distributed/binding';
import { cpuList } from '../distributed/cpus';
import { launcherOf } from '../distributed/launcher';
import { librariesFor } from '../distributed/libraries';
import { measure, type Measured, type Timing } from '../distributed/measure';
import type { MpiInfo } from '../distributed/world';
import { firstLine, lookAtMpi } from '../native/world';

/** What was looked for, and what it is, or why tenon cannot use it. */
type Candidate = { readonly name: string } & (MpiInfo | { readonly problem: string });

export interface MpiFacts extends Measured {
  /** Null: nobody started this process as one of several. */
  readonly launcher: string | null;
  readonly rank: number;
  readonly size: number;
  /** The library in use. */
  readonly library: MpiInfo | null;
  /** Without a launcher: all that the system finds. */
  readonly libraries: readonly Candidate[];
  readonly ranks: readonly RankPlace[];
  /** What is wrong with the cores that ranks were bound to. */
  readonly binding: string | null;
}

/** Joins the job, measures and leaves. Collective. @throws DistributedError */
export async function mpiFacts(): Promise<MpiFacts> {
  const launcher = launcherOf(process.env);
  const world = await join();
  const ranks = await world.gather(placeOfThis(world.hosts[world.rank]!));
  const measured = await measure(world);
  await world.leave();
  return {
    launcher: launcher?.name ?? null,
    rank: world.rank,
    size: world.size,
    library: world.mpi ?? null,
    libraries: launcher === undefined ? candidates() : [],
    ranks,
    binding: bindingProblem(ranks) ?? null,
    ...measured,
  };
}

/** The facts as fields of a `--json` line. */
export function mpiFields({ library, libraries, ranks, links, sums, ...plain }: MpiFacts) {
  return {
    ...plain,
    library: library && { ...library },
    libraries: libraries.map((each) => ({ ...each })),
    ranks: ranks.map((each) => ({ ...each })),
    links: links.map((each) => ({ ...each, timings: each.timings.map((timing) => ({ ...timing })) })),
    sums: sums.map((each) => ({ ...each })),
  };
}

function candidates(): Candidate[] {
  return librariesFor('any', process.env).map((name) => {
    const found = lookAtMpi(name);
    if (found.problem !== undefined) return { name, problem: found.problem };
    return { name, ...found, version: inOneLine(found.version) };
  });
}

/** The first line, without the tabs of a table. */
function inOneLine(text: string): string {
  return firstLine(text).replaceAll(/\s+/g, ' ');
}

/** The facts as lines for people: a name and what is to be said. */
export function describeMpi(facts: MpiFacts): [string, string][] {
  const { library, launcher, size, links, sums } = facts;
  const lines: [string, string][] = [
    [
      'launcher',
      launcher === null
        ? 'none: this process is a world of one rank'
        : `${launcher}: ${counted(size, 'rank')}`,
    ],
    ...(library === null
      ? facts.libraries.map(describeCandidate)
      : [['mpi', describeLibrary(library)] as [string, string]]),
    ...describeRanks(facts.ranks),
  ];
  if (launcher !== null) lines.push(['binding', facts.binding ?? 'every rank has cores for its threads']);
  if (size === 1) return lines;
  lines.push([
    '',
    row(
      '',
      sums.map(({ bytes }) => sizeText(bytes)),
    ),
  ]);
  for (const { kind, ranks, timings } of links)
    lines.push([
      `ranks ${ranks.join(', ')}`,
      row(kind === 'host' ? 'on one host' : 'on two hosts', timings.map(timeText)),
    ]);
  lines.push([`sum of ${size}`, row('of all ranks', sums.map(timeText))]);
  lines.push(['bandwidth', bandwidthText(facts)]);
  return lines;
}

function describeCandidate(candidate: Candidate): [string, string] {
  if ('problem' in candidate)
    return ['mpi', `${candidate.name}: not usable: ${inOneLine(candidate.problem)}`];
  return ['mpi', `${candidate.name}: ${describeLibrary(candidate)}`];
}

const INTERFACES: Readonly<Record<MpiInfo['abi'], string>> = {
  openmpi: "Open MPI's binary interface",
  mpich: "MPICH's binary interface",
  standard: 'the binary interface of MPI 5',
};

function describeLibrary({ file, abi, version }: MpiInfo): string {
  return `${inOneLine(version)} (${INTERFACES[abi]}): ${file}`;
}

/** A line for neighbours that are placed alike. */
function describeRanks(places: readonly RankPlace[]): [string, string][] {
  const groups: { text: string; first: number; last: number }[] = [];
  for (const [rank, { host, threads, threadsReason, cpus }] of places.entries()) {
    const where = cpus === null ? '' : `; CPUs ${cpuList(cpus)}`;
    const text = `on ${host}: ${counted(threads, 'thread')} each (${threadsReason})${where}`;
    const before = groups.at(-1);
    if (before?.text === text) before.last = rank;
    else groups.push({ text, first: rank, last: rank });
  }
  return groups.map(({ text, first, last }) =>
    first === last ? [`rank ${first}`, text.replace(' each', '')] : [`ranks ${first}-${last}`, text],
  );
}

function row(name: string, cells: readonly string[]): string {
  return name.padEnd(14) + cells.map((cell) => cell.padStart(10)).join('');
}

function sizeText(bytes: number): string {
  if (bytes < 1 << 10) return `${bytes} B`;
  return bytes < 1 << 20 ? `${bytes >> 10} KiB` : `${bytes >> 20} MiB`;
}

function timeText({ seconds }: Timing): string {
  if (seconds < 1e-3) return `${(seconds * 1e6).toPrecision(3)} us`;
  return seconds < 1 ? `${(seconds * 1e3).toPrecision(3)} ms` : `${seconds.toPrecision(3)} s`;
}

function bandwidthText({ links, sums }: Measured): string {
  const rate = (timings: readonly Timing[]): string => {
    const best = Math.max(...timings.map(({ bytes, seconds }) => bytes / seconds));
    return `${((8 * best) / 1e9).toPrecision(3)} Gbit/s`;
  };
  const parts = links.map(
    ({ kind, timings }) => `${rate(timings)} ${kind === 'host' ? 'on one host' : 'between hosts'}`,
  );
  return [...parts, `${rate(sums)} of sums`].join(', ');
}
