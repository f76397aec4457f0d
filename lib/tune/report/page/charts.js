// Charts of values: the history, curves, the front. Each returns what ECharts draws, a note and a legend.

/**
 * @typedef {object} Picture
 * @property {object} option
 * @property {string} [note]
 * @property {readonly Sign[]} [signs]
 * @property {number} [height]
 */

/**
 * How an axis of ECharts is divided.
 * @param {Scale} scale
 * @param {Colours} theme
 */
function division({ low, high, text, least, ticks }, theme) {
  const custom = ticks === undefined ? {} : { customValues: ticks };
  return {
    type: 'value',
    min: low,
    max: high,
    ...(least === undefined ? {} : { minInterval: least }),
    axisLabel: {
      formatter: text,
      color: theme.quiet,
      fontSize: 11,
      hideOverlap: true,
      ...custom,
      // The ends of a range are seldom round numbers.
      ...(Number.isInteger(low) || ticks !== undefined ? {} : { showMinLabel: false }),
      ...(Number.isInteger(high) || ticks !== undefined ? {} : { showMaxLabel: false }),
    },
    axisTick: { show: false, ...custom },
    splitLine: { lineStyle: { color: theme.grid }, ...custom },
  };
}

/** @param {Scale} scale @param {Colours} theme @param {'x' | 'y'} which @param {object} [more] */
function axisOption(scale, theme, which, more = {}) {
  return {
    ...division(scale, theme),
    name: scale.name,
    nameLocation: which === 'x' ? 'middle' : 'end',
    nameGap: which === 'x' ? 26 : 10,
    nameTextStyle: { color: theme.quiet, align: which === 'x' ? 'center' : 'left', fontSize: 12 },
    nameTruncate: { maxWidth: 260 },
    axisLine: { show: which === 'x', lineStyle: { color: theme.line }, onZero: false },
    splitNumber: which === 'x' ? 6 : 5,
    ...more,
  };
}

/**
 * @param {Colours} theme @param {(index: number, series: string) => readonly (Node | string)[] | undefined}
 *   tip
 */
function frame(theme, tip) {
  return {
    animation: false,
    textStyle: { color: theme.text },
    grid: { left: 12, right: 18, top: 30, bottom: 34, containLabel: true },
    tooltip: {
      trigger: 'item',
      confine: true,
      backgroundColor: theme.card,
      borderColor: theme.line,
      textStyle: { color: theme.text, fontSize: 12 },
      // An element, not markup: names and errors are shown as they are.
      formatter: (/** @type {{ value: readonly unknown[], name: string }} */ { value, name }) => {
        const number = Array.isArray(value) ? Number(value[2]) : Number(name);
        return element('div', { class: 'tip' }, tip(number, name) ?? tipOf(number));
      },
    },
  };
}

/** What is known of a trial, in short. @param {number} number @returns {readonly (Node | string)[]} */
function tipOf(number) {
  const row = study.rows.get(number);
  const { axes, objectives } = headNow();
  if (row === undefined) return [];
  const lines = [element('b', { text: `trial ${number} (${row.state})` })];
  objectives.forEach(({ name }, i) => {
    if (row.values?.[i] !== undefined)
      lines.push(element('div', { text: `${name}: ${format(valueIn(row, i))}` }));
  });
  axes.slice(0, 16).forEach((axis, i) => {
    const place = row.places[i];
    if (place !== null && place !== undefined)
      lines.push(
        element('div', { class: 'quiet', text: `${axis.name}: ${axis.labels?.[place] ?? format(place)}` }),
      );
  });
  return lines;
}

/** @param {readonly Row[]} rows @param {number} beyond */
function leftOutNote(rows, beyond) {
  const { trials } = headNow();
  const ended = rows.filter(({ state }) => state !== 'running' && state !== 'waiting');
  const bare = ended.filter((row) => !isDrawn(row)).length;
  return [
    rows.length < trials
      ? `${counted(rows.length, 'trial')} of ${trials.toLocaleString('en')} are shown.`
      : '',
    bare > 0 ? `${counted(bare, 'trial')} without a finite value: not drawn.` : '',
    beyond > 0 ? `${counted(beyond, 'outlier')} beyond the scale: not drawn.` : '',
  ]
    .filter((part) => part !== '')
    .join(' ');
}

/** @param {Colours} theme @returns {Picture} */
function historyChart(theme) {
  const rows = rowsNow();
  const drawn = rows.filter(isDrawn);
  const scale = objectiveScale(drawn);
  const inside = drawn.filter((row) => isInside(scale, valueIn(row)));
  /** @param {Row['state']} state */
  const points = (state) =>
    inside
      .filter((row) => row.state === state)
      .map((row) => [row.number, scale.to(valueIn(row)), row.number]);
  /** @type {number[][]} */
  const steps = [];
  let best = NaN;
  for (const row of drawn) {
    if (row.state !== 'complete' || !isBetter(valueIn(row), best)) continue;
    best = valueIn(row);
    if (isInside(scale, best)) steps.push([row.number, scale.to(best), row.number]);
  }
  const last = rows.at(-1)?.number ?? 0;
  if (steps.length > 0) steps.push([last, steps.at(-1)?.[1] ?? NaN, steps.at(-1)?.[2] ?? 0]);
  const numbers = { name: 'trial', low: -0.5, high: last + 0.5, to: Number, text: format, least: 1 };
  return {
    note: leftOutNote(rows, scale.beyond),
    signs: [
      ['', theme.main, 'complete'],
      ['ring', theme.pruned, 'pruned, at its last report'],
      ['stroke', theme.best, 'best so far'],
    ],
    option: {
      ...frame(theme, () => undefined),
      xAxis: axisOption(numbers, theme, 'x', { splitLine: { show: false } }),
      yAxis: axisOption(scale, theme, 'y'),
      series: [
        {
          type: 'scatter',
          name: 'pruned',
          data: points('pruned'),
          symbolSize: 7,
          itemStyle: { color: 'transparent', borderColor: theme.pruned, borderWidth: 1.5 },
        },
        {
          type: 'scatter',
          name: 'complete',
          data: points('complete'),
          symbolSize: 7,
          itemStyle: { color: theme.main, opacity: 0.8 },
        },
        {
          type: 'line',
          name: 'best',
          data: steps,
          step: 'end',
          symbol: 'none',
          // The pointer is for the points under it.
          silent: true,
          lineStyle: { color: theme.best, width: 2 },
        },
      ],
    },
  };
}

/** @param {Scale} scale @param {number} value */
function isInside(scale, value) {
  const place = scale.to(value);
  return place >= scale.low && place <= scale.high;
}

/** Curves that are drawn at most. */
const MOST_CURVES = 100;

/**
 * The best ones, and others evenly out of the rest.
 * @param {readonly Row[]} rows From the worst to the best.
 */
function someCurves(rows) {
  if (rows.length <= MOST_CURVES) return rows;
  const half = MOST_CURVES / 2;
  const rest = rows.slice(0, rows.length - half);
  const some = Array.from({ length: half }, (_, i) => rest[Math.floor((i * rest.length) / half)]);
  return [...some.filter((row) => row !== undefined), ...rows.slice(rows.length - half)];
}

/** @param {Colours} theme @returns {Picture | undefined} Undefined where no trial has reported. */
function curves(theme) {
  const rows = rowsNow();
  const reporting = rows.filter(({ curve }) => curve.length >= 2);
  if (reporting.length === 0 || headNow().objectives.length > 1) return undefined;
  const some = someCurves(bestLast(reporting));
  const best = new Set(headNow().best);
  const all = some.flatMap(({ curve }) => curve.filter((_, i) => i % 2 === 1).map(numberOf));
  const scale = valueScale('report', all.filter(Number.isFinite));
  const steps = some.flatMap(({ curve }) => curve.filter((_, i) => i % 2 === 0).map(numberOf));
  const [low, high] = [steps.reduce((a, b) => Math.min(a, b)), steps.reduce((a, b) => Math.max(a, b))];
  const single = low === high ? 0.5 : 0;
  const time = { name: 'step', low: low - single, high: high + single, to: Number, text: format, least: 1 };
  /** @type {Readonly<Record<string, string>>} */
  const byState = {
    complete: theme.main,
    pruned: theme.pruned,
    failed: theme.failed,
    running: theme.running,
  };
  const signs = Object.entries(byState).filter(([state]) => some.some((row) => row.state === state));
  return {
    note:
      reporting.length > some.length
        ? `The curves of ${some.length} of ${reporting.length} trials: the best, and some of the others.`
        : '',
    signs: [
      ...signs.map(([state, colour]) => /** @type {const} */ (['stroke', colour, state])),
      ['stroke', theme.best, 'best'],
    ],
    option: {
      ...frame(theme, (_, name) => tipOf(Number(name))),
      xAxis: axisOption(time, theme, 'x', { splitLine: { show: false } }),
      yAxis: axisOption(scale, theme, 'y'),
      series: some.map((row) =>
        curveSeries(row, scale, best.has(row.number) ? theme.best : (byState[row.state] ?? theme.quiet)),
      ),
    },
  };
}

/** @param {Row} row @param {Scale} scale @param {string} colour */
function curveSeries(row, scale, colour) {
  const data = [];
  for (let i = 0; i + 1 < row.curve.length; i += 2) {
    const value = numberOf(row.curve[i + 1]);
    data.push([numberOf(row.curve[i]), isInside(scale, value) ? scale.to(value) : '-', row.number]);
  }
  const isBest = headNow().best.includes(row.number);
  const last = data.findLast(([, place]) => place !== '-');
  return {
    type: 'line',
    name: String(row.number),
    data,
    // A curve of one report is a point; one that was cut short ends in one.
    symbol: 'circle',
    showSymbol: data.length === 1,
    symbolSize: 5,
    markPoint: {
      silent: true,
      symbol: 'circle',
      symbolSize: 4,
      label: { show: false },
      itemStyle: { color: colour },
      data: row.state === 'pruned' && last !== undefined ? [{ coord: last.slice(0, 2) }] : [],
    },
    lineStyle: { color: colour, width: isBest ? 2.5 : 1.2, opacity: isBest ? 1 : 0.55 },
    itemStyle: { color: colour },
    emphasis: { lineStyle: { width: 3, opacity: 1 } },
    z: isBest ? 4 : row.state === 'pruned' ? 3 : 2,
  };
}

/**
 * Two objectives against each other.
 * @param {Colours} theme @param {number} across @param {number} up @returns {Picture}
 */
function front(theme, across, up) {
  const rows = rowsNow().filter(
    (row) => row.state === 'complete' && [across, up].every((i) => Number.isFinite(valueIn(row, i))),
  );
  const [x, y] = [objectiveScale(rows, across), objectiveScale(rows, up)];
  const inside = rows.filter((row) => isInside(x, valueIn(row, across)) && isInside(y, valueIn(row, up)));
  const best = new Set(headNow().best);
  /** @param {boolean} good */
  const points = (good) =>
    inside
      .filter(({ number }) => best.has(number) === good)
      .map((row) => [x.to(valueIn(row, across)), y.to(valueIn(row, up)), row.number])
      .sort((a, b) => (a[0] ?? 0) - (b[0] ?? 0));
  return {
    note: leftOutNote(rows, rows.length - inside.length),
    signs: [
      ['', theme.main, 'complete'],
      ['', theme.best, 'on the front: no other trial beats it in all objectives'],
    ],
    option: {
      ...frame(theme, () => undefined),
      xAxis: axisOption(x, theme, 'x'),
      yAxis: axisOption(y, theme, 'y'),
      series: [
        {
          type: 'scatter',
          name: 'others',
          data: points(false),
          symbolSize: 7,
          itemStyle: { color: theme.main, opacity: 0.7 },
        },
        {
          type: 'scatter',
          name: 'front',
          data: points(true),
          symbolSize: 9,
          itemStyle: { color: theme.best },
        },
        {
          type: 'line',
          name: 'edge',
          // Of more than two objectives, a front has no edge.
          data: headNow().objectives.length === 2 ? points(true) : [],
          symbol: 'none',
          silent: true,
          lineStyle: { color: theme.best, width: 1, opacity: 0.6 },
        },
      ],
    },
  };
}
