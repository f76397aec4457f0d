/**
 * `tenon bench`: how fast a model's step is on this machine, how fast it could be, and where the time goes.
 */
import { setImmediate } from 'node:timers/promises';
import type { Command } from 'commander';
import { OptionError } from '../errors';
import { info, setThreads } from '../native';
import { show } from '../options';
import { bool, kind, nonEmptyString, positiveInteger } from '../settings';
import { openSubject, type Subject } from './bench-model';
import { measurePeaks, type Peaks } from './bench-peaks';
import { measureStep, type CallFigures, type StepFigures } from './bench-profile';
import { declareCommand, withDefaults, type Given } from './command';
import { EXIT, UsageError } from './exit-codes';
import { flag, FREEZE, JSON_LINES, PRECISION, THREADS } from './flags';
import { namesOf } from './names';
import { NETWORKS, type InputShape } from './networks';
import { percent } from './output';
import type { Session } from './session';

/** `3x224x224`. */
const inputShape = kind<InputShape>({
  check: (where, name, value) => {
    const sizes = /^(\d+)x(\d+)x(\d+)$/.exec(String(value))?.slice(1).map(Number) ?? [];
    const [channels = 0, height = 0, width = 0] = sizes;
    if (!sizes.every((n) => n >= 1 && n <= 65535) || sizes.length === 0)
      throw new OptionError(
        `${where}: ${name} must be CHANNELSxHEIGHTxWIDTH, as in 3x224x224, got ${show(value)}`,
      );
    return [channels, height, width];
  },
  domain: { type: 'string' },
});

const FLAGS = {
  model: flag(
    'name',
    nonEmptyString(`${namesOf(NETWORKS).join(', ')} or a model file`, { default: 'lenet' }),
  ),
  batch: flag('n', positiveInteger('examples per step', { optional: true }), { note: 'by model' }),
  input: flag('CxHxW', inputShape('size of one input', { optional: true }), { note: 'by model' }),
  freeze: FREEZE,
  eval: bool('measure inference instead of training', { default: false }),
  steps: flag('n', positiveInteger('steps to measure, after 3 to warm up', { default: 10 })),
  profile: bool('print each kernel call, slowest first', { default: false }),
  peak: bool('only measure and print what this machine can do', { default: false }),
  precision: PRECISION,
  threads: THREADS,
  json: JSON_LINES,
};

type BenchFlags = Given<typeof FLAGS>;

export function benchCommand(session: Session): Command {
  const about = "compare a model's training step with the best that this machine can do";
  return declareCommand(session, { name: 'bench', about, flags: FLAGS }, (given) => bench(session, given));
}

async function bench(session: Session, given: BenchFlags): Promise<number> {
  if (given.peak === true) return benchPeaks(session, given);
  const { eval: evaluate, steps, precision, threads, profile, freeze, ...what } = withDefaults(FLAGS, given);
  if (evaluate && freeze.length > 0) throw new UsageError('--freeze is for training; --eval trains nothing');
  const subject = await openSubject(what);
  if (freeze.length > 0) subject.model.freeze(...freeze);
  if (threads !== undefined) setThreads(threads);
  const { signal } = session;
  const figures = await measureStep(subject, { steps, evaluate, precision, signal });
  const { calls, memory, peaks, ...step } = figures;
  session.output.event('done', {
    ...machine(),
    model: subject.name,
    mode: evaluate ? 'inference' : 'training',
    precision,
    input: subject.input,
    batch: subject.batch,
    ...step,
    memory: { ...memory },
    peaks: peakFields(peaks),
    ...(profile && { calls: calls.map((call) => ({ ...call })) }),
  });
  const lines = [...describeStep(subject, evaluate, figures), ...describePeaks(peaks)];
  for (const line of lines) session.output.line(line);
  if (profile) for (const line of callTable(figures)) session.output.line(line);
  return exitCode(session);
}

/** First lets through a signal that came while the machine's peaks were measured. */
async function exitCode(session: Session): Promise<number> {
  await setImmediate();
  return session.signal.aborted ? session.interruptedCode : EXIT.ok;
}

async function benchPeaks(session: Session, { threads, ...others }: BenchFlags): Promise<number> {
  const extra = Object.keys(others).find((flag) => flag !== 'peak' && flag !== 'json');
  if (extra !== undefined)
    throw new UsageError(`--${extra} cannot be used with --peak, which does not run a model`);
  if (threads !== undefined) setThreads(threads);
  const peaks = measurePeaks();
  session.output.event('done', { ...machine(), peaks: peakFields(peaks) });
  for (const line of describePeaks(peaks)) session.output.line(line);
  return exitCode(session);
}

function machine(): { cpu: string; isa: string; bf16: string; threads: number } {
  const { cpu, isa, bf16, threads } = info();
  return { cpu, isa, bf16: bf16.path, threads };
}

function peakFields({ gflops, bf16Gflops, memory, cache }: Peaks): {
  gflops: number;
  bf16Gflops: number;
  memory: { bytes: number; plain: number; streaming: number };
  cache: { bytes: number; plain: number; streaming: number };
} {
  return { gflops, bf16Gflops, memory: { ...memory }, cache: { ...cache } };
}

function describePeaks({ gflops, bf16Gflops, memory, cache }: Peaks): string[] {
  const { cpu, isa, bf16, threads } = machine();
  const triad = ({ bytes, plain, streaming }: Peaks['memory']): string =>
    `${plain.toFixed(1)} GB/s plain, ${streaming.toFixed(1)} streaming (a = b + s c of ${megabytes(bytes)})`;
  return [
    `machine       ${cpu}, ${threads} thread${threads === 1 ? '' : 's'}, ${isa}`,
    `arithmetic    ${gflops.toFixed(1)} GFLOP/s in fp32 multiply-adds, ${bf16Gflops.toFixed(1)} in bf16 (${bf16})`,
    `memory        ${triad(memory)}`,
    `cache         ${triad(cache)}`,
  ];
}

function describeStep(subject: Subject, evaluate: boolean, f: StepFigures): string[] {
  const what = evaluate ? 'inference' : 'training';
  const { arena, parameters, optimizer, peakResident } = f.memory;
  return [
    `model         ${subject.name}, ${what}, batch ${subject.batch} of ${subject.input.join('x')}`,
    `step          ${f.medianMs.toFixed(3)} ms (median of ${f.steps}, least ${f.minMs.toFixed(3)}), ` +
      `${f.examplesPerSecond.toFixed(1)} examples/s`,
    `work          ${f.gflops.toFixed(1)} GFLOP/s, ${percent(f.ofPeak)} of the peak`,
    `kernels       ${f.kernelMs.toFixed(3)} ms; ${f.outsideMs.toFixed(3)} ms outside them`,
    `held          arena ${megabytes(arena)}, parameters ${megabytes(parameters)}, ` +
      `optimizer ${megabytes(optimizer)}; process at most ${megabytes(peakResident)}`,
  ];
}

function megabytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MB`;
}

function callTable({ calls, kernelMs }: StepFigures): string[] {
  const header = ['op', 'layer', 'kernel', 'ms', 'share', 'GFLOP/s', 'GB/s', 'of limit', ''];
  const cells = (c: CallFigures): string[] => [
    c.op,
    c.layer,
    c.kernel,
    c.ms.toFixed(3),
    percent(c.share),
    c.gflops.toFixed(1),
    c.gbs.toFixed(1),
    percent(c.ofLimit),
    c.note ?? '',
  ];
  const slowestFirst = [...calls].sort((a, b) => b.ms - a.ms);
  const rows = [
    header,
    ...slowestFirst.map(cells),
    ['all', '', '', kernelMs.toFixed(3), percent(1), '', '', '', ''],
  ];
  const widths = header.map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    row
      .map((text, i) =>
        i < 3 || i === row.length - 1 ? text.padEnd(widths[i] ?? 0) : text.padStart(widths[i] ?? 0),
      )
      .join('  ');
  return ['', ...rows.map((row) => line(row).trimEnd())];
}
