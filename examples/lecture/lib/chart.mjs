/** Figures as SVG, drawn by ECharts: a grid of panels, each of lines, points or bars. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as echarts from 'echarts';
import { compact } from './compact.mjs';

const PANEL = { width: 320, height: 230 };
const MARGIN = { left: 56, right: 14, top: 34, bottom: 44 };
const HEAD = 34;
/** Height of a row of the legend, and the width of a mark with its gaps and of a letter. */
const LEGEND = { row: 30, mark: 48, letter: 6.5 };
/** Colours that the colour-blind can tell apart (Okabe & Ito 2008). */
const PALETTE = [
  '#0072b2',
  '#d55e00',
  '#009e73',
  '#cc79a7',
  '#e69f00',
  '#56b4e9',
  '#000000',
  '#999999',
  '#8a6d00',
  '#7a4fbf',
];

/** Where figures go: docs/lecture, or what --out names. */
export const folder = (() => {
  const at = process.argv.indexOf('--out');
  if (at >= 0) return process.argv[at + 1];
  return join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..', 'docs', 'lecture');
})();

function shortNumber(value) {
  const rounded = Number(value.toPrecision(3));
  return rounded !== 0 && Math.abs(rounded) < 1e-3 ? rounded.toExponential() : String(rounded);
}

const axis = ({ label, log = false, min, max, names }) => ({
  type: names ? 'category' : log ? 'log' : 'value',
  data: names,
  name: label,
  nameLocation: 'middle',
  nameGap: 26,
  nameTextStyle: { fontSize: 11 },
  min,
  max,
  scale: true,
  axisLabel: {
    fontSize: 9,
    hideOverlap: true,
    formatter: names ? undefined : shortNumber,
  },
  axisLine: { show: true, onZero: false },
  splitLine: { lineStyle: { color: '#eee' } },
});

function series(
  { name, points, kind = 'line', color, dashed = false, width = 1.5, symbol = 'circle', size = 3, gap = 0 },
  index,
) {
  const style = { color, type: dashed ? 'dashed' : 'solid', width };
  return {
    name,
    type: kind,
    data: points,
    xAxisIndex: index,
    yAxisIndex: index,
    color,
    showSymbol: false,
    symbol,
    symbolSize: size,
    barCategoryGap: `${gap}%`,
    lineStyle: style,
    animation: false,
  };
}

/** Height of the legend, whose entries are set in rows as wide as the figure. */
function legendHeight(names, width) {
  if (names.length < 2) return 0;
  const lengths = names.map((name) => LEGEND.mark + LEGEND.letter * name.length);
  const rows = Math.ceil(lengths.reduce((sum, each) => sum + each, 0) / (width - 20));
  return rows * LEGEND.row - 4;
}

/** Lines are shown without a mark. */
function legendEntries(names, panels) {
  const all = panels.flatMap((panel) => panel.series);
  return names.map((name) => {
    const { kind = 'line' } = all.find((each) => each.name === name);
    return kind === 'line' ? { name, itemStyle: { opacity: 0 } } : { name };
  });
}

/**
 * Writes NAME.svg and says where.
 * @param panels rows of panels: { title, x, y, series, legend }, where x and y are { label, log, min, max,
 *   names } and a series is { name, points: [[x, y], ...], kind: 'line' | 'scatter' | 'bar', color, dashed,
 *   width, symbol, size, gap }. Series of one name share the legend's entry, those without a name have none.
 *   `legend`, 'left' or 'right', gives a panel a legend of its own, inside.
 */
export function draw(name, title, panels) {
  const across = Math.max(...panels.map((row) => row.length));
  const flat = panels.flatMap((row, down) => row.map((panel, right) => ({ ...panel, down, right })));
  const namesOf = (list) =>
    [...new Set(list.flatMap((p) => p.series.map((each) => each.name)))].filter(Boolean);
  const names = namesOf(flat.filter((panel) => !panel.legend));
  const colorOf = (each, panel) => {
    const at = (panel.legend ? namesOf([panel]) : names).indexOf(each);
    return PALETTE[Math.max(0, at) % PALETTE.length];
  };
  const width = across * PANEL.width;
  const legend = legendHeight(names, width);
  const height = HEAD + legend + panels.length * PANEL.height;
  const left = ({ right }) => right * PANEL.width;
  const top = ({ down }) => HEAD + legend + down * PANEL.height;
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width, height });
  chart.setOption({
    animation: false,
    backgroundColor: '#fff',
    title: [
      { text: title, left: 'center', top: 6, textStyle: { fontSize: 15 } },
      ...flat.map((panel) => ({
        text: panel.title,
        left: left(panel) + PANEL.width / 2,
        textAlign: 'center',
        top: top(panel) + 10,
        textStyle: { fontSize: 11, fontWeight: 'normal' },
      })),
    ],
    legend: [
      {
        show: legend > 0,
        data: legendEntries(names, flat),
        top: HEAD - 4,
        itemGap: 16,
        textStyle: { fontSize: 11 },
      },
      ...flat
        .filter((panel) => panel.legend)
        .map((panel) => ({
          data: legendEntries(namesOf([panel]), [panel]),
          orient: 'vertical',
          left: left(panel) + (panel.legend === 'left' ? MARGIN.left : PANEL.width / 2),
          top: top(panel) + MARGIN.top,
          itemGap: 1,
          itemWidth: 16,
          itemHeight: 8,
          padding: 3,
          backgroundColor: 'rgba(255, 255, 255, 0.8)',
          textStyle: { fontSize: 9 },
        })),
    ],
    grid: flat.map((panel) => ({
      left: left(panel) + MARGIN.left,
      top: top(panel) + MARGIN.top,
      width: PANEL.width - MARGIN.left - MARGIN.right,
      height: PANEL.height - MARGIN.top - MARGIN.bottom,
    })),
    xAxis: flat.map((panel, gridIndex) => ({ gridIndex, ...axis(panel.x ?? {}) })),
    yAxis: flat.map((panel, gridIndex) => ({ gridIndex, ...axis(panel.y ?? {}), nameGap: 38 })),
    series: flat.flatMap((panel, index) =>
      panel.series.map((each) => series({ color: colorOf(each.name, panel), ...each }, index)),
    ),
  });
  const file = join(folder, `${name}.svg`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(file, `${compact(chart.renderToSVGString())}\n`);
  chart.dispose();
  console.log(`wrote ${file}`);
}

/** Prints rows as a table with a head. */
export function table(head, rows) {
  const all = [head.map(String), ...rows.map((row) => row.map(String))];
  const widths = head.map((_, i) => Math.max(...all.map((row) => row[i].length)));
  for (const row of all) console.log(row.map((cell, i) => cell.padStart(widths[i])).join('  '));
}
