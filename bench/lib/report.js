'use strict';

/**
 * Results as tables: rows are items, columns systems and what they say about tenon;
 * deviations numbered below.
 */
const { comparison, comparisonHeader } = require('./comparison');

const statusText = { unsupported: '-', error: 'error', timeout: 'too slow' };

function number(value) {
  if (value >= 100) return Math.round(value).toLocaleString('en-US');
  return String(Number(value.toPrecision(value >= 10 ? 3 : 2)));
}

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

const titles = { train: 'Training, examples/s', infer: 'Inference, median ms' };
const kernelTitle = 'Kernels, GFLOP/s; batch norm and Adam GB/s';

function sections(results) {
  return ['train', 'infer', 'kernel'].flatMap((kind) => {
    const own = results.filter((r) => r.kind === kind);
    if (own.length === 0) return [];
    const unique = (key) => [...new Set(own.map((r) => r[key]))];
    return [{ title: titles[kind] ?? kernelTitle, items: unique('item'), systems: unique('system') }];
  });
}

/** @returns {{ tables: { title: string, rows: string[][] }[], notes: string[] }} */
function layOut(results, peaks) {
  const notes = new Footnotes();
  const tables = sections(results).map(({ title, items, systems }) => {
    const compared = comparisonHeader(systems);
    const header = ['', ...systems.map((name) => withVersion(name, results)), ...compared];
    const rows = items.map((item) => {
      const found = systems.map((system) => results.find((r) => r.item === item && r.system === system));
      const figures = found.map((r) => (r === undefined ? '' : cell(r, notes)));
      return [item, ...figures, ...(compared.length === 0 ? [] : comparison(found, peaks))];
    });
    return { title, rows: [header, ...rows] };
  });
  return { tables, notes: notes.texts };
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

function peakLine({ isa, gflops, memory, cache }) {
  const triad = ({ plain, streaming }) => `${number(plain)} GB/s plain and ${number(streaming)} streaming`;
  return `peaks measured in this run: ${number(gflops)} GFLOP/s fp32 (${isa}), memory ${triad(memory)}, in cache ${triad(cache)}`;
}

function terminalReport({ machine, results }) {
  const { tables, notes } = layOut(results, machine.peaks);
  const parts = tables.map(({ title, rows }) => `${title}\n${textTable(rows)}`);
  return [
    machineLines(machine).join('\n'),
    ...parts,
    notes.map((text, i) => `[${i + 1}] ${text}`).join('\n'),
  ].join('\n\n');
}

function markdownReport({ machine, results }) {
  const { tables, notes } = layOut(results, machine.peaks);
  const parts = tables.map(({ title, rows }) => `## ${title}\n\n${markdownTable(rows)}`);
  const list = notes.map((text, i) => `- [${i + 1}] ${text}`).join('\n');
  return (
    ['# tenon and others', machineLines(machine).join('.\n'), ...parts, '## Notes', list].join('\n\n') + '\n'
  );
}

module.exports = { terminalReport, markdownReport };
