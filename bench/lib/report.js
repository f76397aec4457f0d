'use strict';

/**
 * Results as tables: one for each kind and precision, whose rows are items, and columns systems and what they
 * say about tenon; deviations numbered below.
 */

const statusText = { unsupported: '-', error: 'error', timeout: 'too slow', skipped: 'skipped' };

function number(value) {
  if (value >= 100) return Math.round(value).toLocaleString('en-US');
  return String(Number(value.toPrecision(value >= 10 ? 3 : 2)));
}

const percent = (share) => (share === undefined ? '' : `${Math.round(100 * share)}%`);

/** Numbered notes, each text once. */
class Footnotes {
  constructor() {
    this.texts = [];
  }

  mark(text) {
    const at = this.texts.indexOf(text);
    return at >= 0 ? at + 1 : this.texts.push(text);
  }
}

function cell(result, notes) {
  if (result.status !== 'ok') return `${statusText[result.status]} [${notes.mark(firstLine(result.reason))}]`;
  const smaller = result.batch < result.fullBatch ? ` (b${result.batch})` : '';
  const text = number(result.value) + smaller;
  return result.notes.length === 0 ? text : `${text} [${notes.mark(result.notes.join('; '))}]`;
}

function firstLine(text) {
  return text.split('\n').slice(0, 1).join('').slice(0, 200);
}

const titles = {
  train: (precision) => `Training in ${precision}, examples/s`,
  infer: (precision) => `Inference in ${precision}, median ms`,
  kernel: (precision) =>
    `Kernels in ${precision}, GFLOP/s${precision === 'fp32' ? '; batch norm and Adam GB/s' : ''}`,
};

function sections(results) {
  return ['train', 'infer', 'kernel'].flatMap((kind) =>
    ['fp32', 'bf16'].flatMap((precision) => {
      const own = results.filter((r) => r.kind === kind && r.precision === precision);
      if (own.length === 0) return [];
      const unique = (key) => [...new Set(own.map((r) => r[key]))];
      const title = titles[kind](precision);
      return [{ title, kind, precision, items: unique('item'), systems: unique('system') }];
    }),
  );
}

/** Three cells: the ratio and the least and the most of the rounds, the goal, whether it is met. */
function speedCells(speed) {
  if (speed === undefined) return ['', '', ''];
  const { ratio, least, most, goal, met } = speed;
  const text = `${ratio.toFixed(2)} (${least.toFixed(2)}-${most.toFixed(2)})`;
  return goal === undefined ? [text, '', ''] : [text, goal.toFixed(2), met ? 'met' : 'not met'];
}

/** What follows the systems: a heading, and the cells of a comparison below it. */
const columns = [
  { heads: () => ['best peer'], cells: ({ peer }) => [peer ?? ''] },
  { heads: () => ['times as fast (rounds)', 'goal', ''], cells: ({ besidePeer }) => speedCells(besidePeer) },
  {
    heads: ({ kind }) => [kind === 'kernel' ? 'of limit' : 'of peak'],
    cells: ({ ofLimit }) => [percent(ofLimit)],
  },
  {
    heads: ({ kind }) => (kind === 'kernel' ? ['best peer, of limit'] : []),
    cells: ({ peerOfLimit }) => [percent(peerOfLimit)],
  },
  {
    heads: ({ precision }) => (precision === 'bf16' ? ['times our fp32 (rounds)', 'goal', ''] : []),
    cells: ({ besideFp32 }) => speedCells(besideFp32),
  },
];

/** @returns {{ tables: { title: string, rows: string[][] }[], notes: string[] }} */
function layOut({ results, comparisons }) {
  const notes = new Footnotes();
  const tables = sections(results).map((section) => {
    const compared = comparisons.filter((c) => c.kind === section.kind && c.precision === section.precision);
    const shown = compared.length === 0 ? [] : columns.filter(({ heads }) => heads(section).length > 0);
    const heads = shown.flatMap((column) => column.heads(section));
    const header = ['', ...section.systems.map((name) => withVersion(name, results)), ...heads];
    const rows = section.items.map((item) => {
      const found = section.systems.map((system) =>
        results.find((r) => r.item === item && r.system === system),
      );
      const figures = found.map((r) => (r === undefined ? '' : cell(r, notes)));
      const comparison = compared.find((c) => c.item === item) ?? {};
      return [item, ...figures, ...shown.flatMap((column) => column.cells(comparison))];
    });
    return { title: section.title, rows: [header, ...rows], tally: tally(compared) };
  });
  return { tables, notes: notes.texts };
}

/** Undefined where nothing was compared. */
function tally(compared) {
  const beside = compared.flatMap(({ besidePeer }) => besidePeer ?? []);
  if (beside.length === 0) return undefined;
  const ahead = `ahead of the best peer: ${beside.filter(({ ratio }) => ratio > 1).length} of ${beside.length}`;
  const goals = beside.filter(({ goal }) => goal !== undefined);
  if (goals.length === 0) return ahead;
  return `${ahead}; goals met: ${goals.filter(({ met }) => met).length} of ${goals.length}`;
}

function withVersion(system, results) {
  const version = results.find((r) => r.system === system && r.version !== null)?.version;
  return version === undefined ? system : `${system} ${version}`;
}

function textTable(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const line = (row) =>
    row.map((text, c) => (c === 0 ? text.padEnd(widths[c]) : text.padStart(widths[c]))).join('  ');
  return rows.map(line).join('\n');
}

function markdownTable(rows) {
  const line = (row) => `| ${row.join(' | ')} |`;
  const [header, ...body] = rows;
  return [
    line(header),
    `|${header.map((_, i) => (i === 0 ? '---' : '---:')).join('|')}|`,
    ...body.map(line),
  ].join('\n');
}

function machineLines(machine) {
  return [
    `${machine.date}, ${machine.cpu}, ${machine.cores} cores, Node ${machine.node}, commit ${machine.commit}`,
    `${machine.threads} threads, ${machine.rounds} interleaved rounds, at most ${machine.budgetSeconds} s an item and system, load average at the start ${machine.loadAverage.join(' ')}` +
      (machine.label === undefined ? '' : `; ${machine.label}`),
    ...(machine.peaks === undefined ? [] : [peakLine(machine.peaks)]),
  ];
}

function peakLine({ isa, bf16Path, gflops, bf16Gflops, memory, cache, moments }) {
  const triad = ({ plain, streaming }) => `${number(plain)} GB/s plain and ${number(streaming)} streaming`;
  const spread = `${number(Math.min(...moments))} to ${number(Math.max(...moments))} in fp32`;
  return (
    `peaks, the best of ${moments.length} moments of this run (${spread}): ${number(gflops)} GFLOP/s fp32 (${isa}), ` +
    `${number(bf16Gflops)} bf16 (${bf16Path}), memory ${triad(memory)}, in cache ${triad(cache)}`
  );
}

function terminalReport(report) {
  const { tables, notes } = layOut(report);
  const parts = tables.map(({ title, rows, tally }) =>
    [title, textTable(rows), tally ?? []].flat().join('\n'),
  );
  return [
    machineLines(report.machine).join('\n'),
    ...parts,
    notes.map((text, i) => `[${i + 1}] ${text}`).join('\n'),
  ].join('\n\n');
}

function markdownReport(report) {
  const { tables, notes } = layOut(report);
  const parts = tables.flatMap(({ title, rows, tally }) => [
    `## ${title}`,
    markdownTable(rows),
    ...(tally === undefined ? [] : [`${tally[0].toUpperCase()}${tally.slice(1)}.`]),
  ]);
  const list = notes.map((text, i) => `- [${i + 1}] ${text}`).join('\n');
  return (
    ['# tenon and others', machineLines(report.machine).join('.\n'), ...parts, '## Notes', list].join(
      '\n\n',
    ) + '\n'
  );
}

module.exports = { terminalReport, markdownReport };
