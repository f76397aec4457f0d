// Charts of the space: a scatter for each axis, parallel coordinates, importance.

/** Axes of the parallel coordinates, and scatters, at most; lines at most. */
const MOST_PARALLEL = 12;
const MOST_SCATTERS = 24;
const MOST_LINES = 500;

/** Places in `axes` by importance; those of no known importance follow in their own order. */
function axesByImportance() {
  const { axes, importance } = headNow();
  const known = (importance[study.objective] ?? []).map(([axis]) => axis);
  return [...new Set([...known, ...axes.keys()])];
}

/** A trial's number decides how dark its mark is. @param {Colours} theme @param {number} number */
function ageColour(theme, number) {
  return mix(theme.low, theme.main, number / Math.max(1, headNow().trials - 1));
}

/** Marks of one choice are spread, the same way each time. @param {number} number */
function spread(number) {
  return (((number + 1) * 0.618034) % 1) * 0.5 - 0.25;
}

/** One axis against the value. @param {Colours} theme @param {number} index @returns {Picture} */
function scatter(theme, index) {
  const axis = headNow().axes[index];
  if (axis === undefined) return { option: {} };
  const x = axisScale(axis);
  const rows = rowsNow().filter((row) => isDrawn(row) && (row.places[index] ?? null) !== null);
  const y = objectiveScale(rows);
  const inside = rows.filter((row) => isInside(y, valueIn(row)));
  const best = new Set(headNow().best);
  const good = inside.filter(({ number }) => best.has(number));
  const others = inside.filter(({ number }) => !best.has(number));
  /** @param {Row} row @param {object} itemStyle */
  const point = (row, itemStyle) => {
    const place = x.to(numberOf(row.places[index]));
    const at = axis.labels === undefined ? place : place + spread(row.number);
    return { value: [at, y.to(valueIn(row)), row.number], itemStyle };
  };
  const ring = { color: 'transparent', borderColor: theme.pruned, borderWidth: 1.2 };
  return {
    option: {
      ...frame(theme, () => undefined),
      grid: { left: 8, right: 14, top: 26, bottom: 30, containLabel: true },
      xAxis: axisOption(x, theme, 'x', {
        splitNumber: 4,
        ...(x.labels === undefined ? {} : { splitLine: { show: false } }),
      }),
      yAxis: axisOption(y, theme, 'y', { splitNumber: 4 }),
      series: [
        {
          type: 'scatter',
          name: 'others',
          symbolSize: 6,
          data: others.map((row) =>
            point(row, row.state === 'pruned' ? ring : { color: ageColour(theme, row.number) }),
          ),
        },
        {
          type: 'scatter',
          name: 'best',
          symbolSize: 9,
          data: good.map((row) => point(row, { color: theme.best })),
        },
      ],
    },
  };
}

/** @param {Colours} theme @returns {readonly Sign[]} */
function scatterSigns(theme) {
  return [
    ['ramp', theme.main, 'from the first trial to the last'],
    ['ring', theme.pruned, 'pruned'],
    ['', theme.best, 'best'],
  ];
}

/** @param {Colours} theme @returns {Picture | undefined} */
function parallel(theme) {
  const { axes, objectives } = headNow();
  const all = rowsNow().filter(isDrawn);
  if (axes.length === 0 || all.length === 0) return undefined;
  const chosen = new Set(axesByImportance().slice(0, MOST_PARALLEL));
  const shown = [...axes.keys()].filter((index) => chosen.has(index));
  const value = objectiveScale(all);
  const fit = bestLast(all.filter((row) => isInside(value, valueIn(row))));
  const every = Math.max(1, Math.ceil(fit.length / MOST_LINES));
  const rows = fit.filter((_, i) => (fit.length - 1 - i) % every === 0);
  const scales = shown.flatMap((index) => {
    const axis = axes[index];
    return axis === undefined ? [] : [axisScale(axis)];
  });
  const best = new Set(headNow().best);
  return {
    note: [
      axes.length > shown.length ? `The ${shown.length} most important of ${axes.length} axes.` : '',
      rows.length < all.length ? `${rows.length} of ${counted(all.length, 'trial')}.` : '',
      axes.some(({ when }) => when !== '') ? 'A line passes over axes that its trial does not have.' : '',
    ].join(' '),
    signs: [
      ['ramp', theme.main, 'from the worst to the best'],
      ['stroke', theme.best, objectives.length > 1 ? 'on the front' : 'the best'],
    ],
    option: {
      ...frame(theme, (_, name) => tipOf(Number(name))),
      parallel: { left: 48, right: 72, top: 58, bottom: 22 },
      parallelAxis: [...scales, value].map((scale, dim) => parallelAxis(scale, dim, theme)),
      series: rows.map((row, rank) => {
        const isBest = best.has(row.number);
        const places = shown.map((index, i) => {
          const place = row.places[index] ?? null;
          return place === null ? '-' : (scales[i]?.to(place) ?? '-');
        });
        return {
          type: 'parallel',
          name: String(row.number),
          data: [{ name: String(row.number), value: [...places, value.to(valueIn(row))] }],
          lineStyle: {
            color: isBest ? theme.best : mix(theme.low, theme.main, rank / Math.max(1, rows.length - 1)),
            width: isBest ? 2.5 : 1.1,
            opacity: isBest ? 1 : 0.55,
          },
          z: isBest ? 5 : 3,
        };
      }),
    },
  };
}

/** @param {Scale} scale @param {number} dim @param {Colours} theme */
function parallelAxis(scale, dim, theme) {
  const { axisLabel, ...divided } = division(scale, theme);
  return {
    ...divided,
    dim,
    name: scale.name,
    nameTextStyle: { color: theme.text, fontSize: 12, width: 92, overflow: 'break', lineHeight: 14 },
    axisLabel: { ...axisLabel, color: theme.text, backgroundColor: `${theme.card}cc`, padding: [1, 3] },
    axisLine: { lineStyle: { color: theme.pruned } },
  };
}

/** @param {Colours} theme @returns {Picture | undefined} Undefined while nothing is known. */
function importanceBars(theme) {
  const { axes, importance } = headNow();
  const shares = (importance[study.objective] ?? []).slice(0, 20).reverse();
  if (shares.length === 0) return undefined;
  const names = shares.map(([axis]) => axes[axis]?.name ?? '');
  const most = shares.at(-1)?.[1] ?? 1;
  return {
    height: 90 + 26 * shares.length,
    option: {
      animation: false,
      grid: { left: 8, right: 56, top: 8, bottom: 34, containLabel: true },
      xAxis: axisOption(
        {
          name: 'share',
          low: 0,
          high: Math.min(1, most * 1.05),
          to: Number,
          text: (v) => `${Math.round(100 * v)}%`,
        },
        theme,
        'x',
        { axisLine: { show: false } },
      ),
      yAxis: {
        type: 'category',
        data: names,
        axisLine: { lineStyle: { color: theme.line } },
        axisTick: { show: false },
        axisLabel: { color: theme.text, fontSize: 12, width: 200, overflow: 'truncate' },
      },
      series: [
        {
          type: 'bar',
          data: shares.map(([, share]) => share),
          barMaxWidth: 16,
          itemStyle: { color: theme.main, borderRadius: [0, 4, 4, 0] },
          label: {
            show: true,
            position: 'right',
            color: theme.quiet,
            formatter: (/** @type {{ value: number }} */ { value }) => `${(100 * value).toFixed(1)}%`,
          },
        },
      ],
    },
  };
}
