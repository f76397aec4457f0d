/** Figures as SVG, drawn by ECharts: a grid of panels, each of lines, points or bars. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as echarts from 'echarts';

const PANEL = { width: 320, height: 230 };
const MARGIN = { left: 56, right: 14, top: 34, bottom: 44 };
const HEAD = 34;
const LEGEND = 26;
/** Colours that stay apart for the colour-blind (Okabe & Ito 2008). */
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
    formatter: names ? undefined : (value) => String(Number(value.toPrecision(3))),
  },
  axisLine: { show: true, onZero: false },
  splitLine: { lineStyle: { color: '#eee' } },
});

function series({ name, points, kind = 'line', color, dashed = false }, index) {
  const style = { color, type: dashed ? 'dashed' : 'solid', width: 1.5 };
  return {
    name,
    type: kind,
    data: points,
    xAxisIndex: index,
    yAxisIndex: index,
    color,
    showSymbol: false,
    symbolSize: 3,
    barCategoryGap: '0%',
    lineStyle: style,
    animation: false,
  };
}

/**
 * Writes NAME.svg and says where.
 * @param panels rows of panels: { title, x, y, series }, where x and y are { label, log, min, max, names } and a series is
 *   { name, points: [[x, y], ...], kind: 'line' | 'scatter' | 'bar', color, dashed }. Series of one name share the legend's entry.
 */
export function draw(name, title, panels) {
  const across = Math.max(...panels.map((row) => row.length));
  const flat = panels.flatMap((row, down) => row.map((panel, right) => ({ ...panel, down, right })));
  const names = [...new Set(flat.flatMap((panel) => panel.series.map((each) => each.name)))].filter(Boolean);
  const legend = names.length > 1 ? LEGEND : 0;
  const colorOf = (each) => PALETTE[Math.max(0, names.indexOf(each)) % PALETTE.length];
  const width = across * PANEL.width;
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
    legend: { show: legend > 0, data: names, top: HEAD - 4, textStyle: { fontSize: 11 } },
    grid: flat.map((panel) => ({
      left: left(panel) + MARGIN.left,
      top: top(panel) + MARGIN.top,
      width: PANEL.width - MARGIN.left - MARGIN.right,
      height: PANEL.height - MARGIN.top - MARGIN.bottom,
    })),
    xAxis: flat.map((panel, gridIndex) => ({ gridIndex, ...axis(panel.x ?? {}) })),
    yAxis: flat.map((panel, gridIndex) => ({ gridIndex, ...axis(panel.y ?? {}), nameGap: 38 })),
    series: flat.flatMap((panel, index) =>
      panel.series.map((each) => series({ color: colorOf(each.name), ...each }, index)),
    ),
  });
  const file = join(folder, `${name}.svg`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(file, `${chart.renderToSVGString()}\n`);
  chart.dispose();
  console.log(`wrote ${file}`);
}

/** Prints rows as a table with a head. */
export function table(head, rows) {
  const all = [head, ...rows.map((row) => row.map(String))];
  const widths = head.map((_, i) => Math.max(...all.map((row) => row[i].length)));
  for (const row of all) console.log(row.map((cell, i) => cell.padStart(widths[i])).join('  '));
}
