// The study as the page knows it, and scales: places on them are what charts draw, their texts the values.

/** Marks that are drawn as SVG at most; more go on a canvas. */
const MOST_SVG = 1500;

const study = {
  /** @type {Head | undefined} */
  head: undefined,
  /** @type {Map<number, Row>} By number, rising. */
  rows: new Map(),
  /** Which of the objectives the charts show. */
  objective: 0,
};

function headNow() {
  if (study.head === undefined) throw new Error('no study');
  return study.head;
}

/** @param {Update} update @returns whether anything has changed */
function take(update) {
  if (update.fresh) study.rows.clear();
  if (update.head === undefined) return false;
  study.head = update.head;
  for (const row of update.rows) study.rows.set(row.number, row);
  if (study.objective >= update.head.objectives.length) study.objective = 0;
  return true;
}

function rowsNow() {
  return [...study.rows.values()].sort((a, b) => a.number - b.number);
}

/** A row's value in the objective that is shown. @param {Row} row */
function valueIn(row, objective = study.objective) {
  return numberOf(row.values?.[objective]);
}

/** Whether the charts have a mark for it. @param {Row} row */
function isDrawn(row) {
  return (row.state === 'complete' || row.state === 'pruned') && Number.isFinite(valueIn(row));
}

/** Whether `a` is better than `b`. @param {number} a @param {number} b @param {number} [objective] */
function isBetter(a, b, objective = study.objective) {
  if (Number.isNaN(a)) return false;
  if (Number.isNaN(b)) return true;
  return headNow().objectives[objective]?.direction === 'maximize' ? a > b : a < b;
}

/** Rows from the worst to the best, so that the best are drawn last. @param {readonly Row[]} rows */
function bestLast(rows) {
  return [...rows].sort((a, b) => (isBetter(valueIn(a), valueIn(b)) ? 1 : -1));
}

/**
 * @typedef {object} Scale
 * @property {string} name
 * @property {number} low
 * @property {number} high
 * @property {(value: number) => number} to The place of a value.
 * @property {(place: number) => string} text
 * @property {number} [least] The least distance of two labels.
 * @property {readonly number[]} [ticks] Places with labels; default: round numbers.
 * @property {readonly string[]} [labels] Of a choice.
 */

/**
 * A logarithmic scale.
 * @param {string} name @param {number} low @param {number} high @param {number} pad Places.
 */
function logScale(name, low, high, pad) {
  const [from, to] = [Math.log10(low) - pad, Math.log10(high) + pad];
  return {
    name: `${name} (log)`,
    low: from,
    high: to,
    to: Math.log10,
    text: (/** @type {number} */ place) => format(10 ** place),
    ticks: powersBetween(from, to),
  };
}

/**
 * Places of powers of ten, at most seven; with 2 and 5 between them where there is room.
 * @param {number} from @param {number} to
 */
function powersBetween(from, to) {
  const every = Math.max(1, Math.ceil((to - from) / 7));
  const factors = to - from < 1 ? [1, 1.5, 2, 3, 4, 5, 6, 8] : to - from < 2.5 ? [1, 2, 5] : [1];
  const places = [];
  for (let power = Math.floor(from); power <= to; power++)
    if (power % every === 0) places.push(...factors.map((factor) => power + Math.log10(factor)));
  return places.filter((place) => place >= from - 1e-9 && place <= to + 1e-9);
}

/** @param {Axis} axis @returns {Scale} */
function axisScale({ name, log, low, high, labels, whole }) {
  if (labels !== undefined)
    return {
      name,
      low: -0.5,
      high: high + 0.5,
      to: (value) => value,
      text: (place) => (Number.isInteger(place) ? (labels[place] ?? '') : ''),
      ticks: labels.map((_, place) => place).filter((place) => place % Math.ceil(labels.length / 12) === 0),
      labels,
    };
  const narrow = low === high;
  if (log) return logScale(name, low, high, narrow ? 0.5 : 0);
  const more = narrow ? 0.5 : 0;
  const scale = {
    name,
    low: low - more,
    high: high + more,
    to: (/** @type {number} */ v) => v,
    text: format,
  };
  return whole ? { ...scale, least: 1 } : scale;
}

/**
 * The scale of values: logarithmic where they are positive and span three powers of ten or more. Outliers,
 * far beyond the middle 80%, would press all others together; the scale ends before them.
 * @param {string} name
 * @param {readonly number[]} values Finite ones.
 * @returns {Scale & { readonly beyond: number }} `beyond`: how many values the scale does not reach
 */
function valueScale(name, values) {
  const sorted = Float64Array.from(values).sort();
  const [first = 0, last = 1] = [sorted[0], sorted[sorted.length - 1]];
  if (first > 0 && last / first >= 1000)
    return { ...logScale(name, first, last, 0.03 * Math.log10(last / first)), beyond: 0 };
  const at = (/** @type {number} */ share) => sorted[Math.round(share * (sorted.length - 1))] ?? 0;
  const reach = 5 * (at(0.9) - at(0.1));
  const most = reach > 0 && sorted.length >= 20 ? at(0.9) + reach : last;
  const least = reach > 0 && sorted.length >= 20 ? at(0.1) - reach : first;
  const inside = sorted.filter((value) => value >= least && value <= most);
  const [from = 0, to = 1] = [inside[0], inside[inside.length - 1]];
  const pad = 0.04 * (to - from) || 0.1 * Math.abs(to) || 0.5;
  const scale = { name, low: from - pad, high: to + pad, to: (/** @type {number} */ v) => v, text: format };
  return { ...scale, beyond: sorted.length - inside.length };
}

/** The scale of the objective that is shown, for rows. @param {readonly Row[]} rows */
function objectiveScale(rows, objective = study.objective) {
  const { name = 'value' } = headNow().objectives[objective] ?? {};
  return valueScale(
    name,
    rows.map((row) => valueIn(row, objective)).filter((value) => Number.isFinite(value)),
  );
}
