// The table of trials: sorted by a column, filtered by state, a page at a time.

const TABLE_ROWS = 50;
/** Columns of parameters at most, the most important ones. */
const MOST_COLUMNS = 16;

const table = { column: 'trial', falling: true, state: '', page: 0 };

/**
 * @typedef {object} Column
 * @property {string} name
 * @property {(row: Row) => number | string} key What rows are sorted by.
 * @property {(row: Row) => string} text
 * @property {string} [class]
 */

/** @returns {readonly Column[]} */
function columns() {
  const { objectives } = headNow();
  const rows = [...study.rows.values()];
  /** @param {string} name @param {(row: Row) => number} key @returns {Column} */
  const numeric = (name, key) => ({
    name,
    key,
    text: (row) => (Number.isNaN(key(row)) ? '' : format(key(row))),
  });
  /** @type {Column[]} */
  const list = [numeric('trial', ({ number }) => number)];
  list.push({ name: 'state', key: ({ state }) => state, text: ({ state }) => state });
  objectives.forEach(({ name }, i) => {
    const column = numeric(name, (row) => valueIn(row, i));
    const text = (/** @type {Row} */ row) => (row.values?.[i] === undefined ? '' : format(valueIn(row, i)));
    list.push({ ...column, text });
  });
  list.push(...parameterColumns());
  if (rows.some(({ budget }) => budget !== undefined))
    list.push(numeric('budget', ({ budget }) => numberOf(budget)));
  if (rows.some(({ reports }) => reports > 0)) list.push(numeric('reports', ({ reports }) => reports));
  list.push({
    name: 'time',
    key: ({ started, ended }) => (ended ?? NaN) - (started ?? NaN),
    text: ({ started, ended }) => duration(started, ended),
  });
  if (rows.some(({ why }) => why !== undefined))
    list.push({ name: 'why', key: ({ why = '' }) => why, text: ({ why = '' }) => why, class: 'text' });
  if (rows.some(({ notes }) => notes !== undefined))
    list.push({
      name: 'notes',
      key: ({ notes = '' }) => notes,
      text: ({ notes = '' }) => notes,
      class: 'text',
    });
  return list;
}

/** @returns {readonly Column[]} */
function parameterColumns() {
  const { axes } = headNow();
  const chosen = new Set(axesByImportance().slice(0, MOST_COLUMNS));
  return axes.flatMap(({ name, labels }, index) => {
    if (!chosen.has(index)) return [];
    const key = (/** @type {Row} */ row) => numberOf(row.places[index]);
    const text = (/** @type {Row} */ row) => {
      const place = key(row);
      return Number.isNaN(place) ? '' : (labels?.[place] ?? format(place));
    };
    return [{ name, key: labels === undefined ? key : text, text }];
  });
}

/** @param {number | string} a @param {number | string} b */
function compare(a, b) {
  if (typeof a === 'string' || typeof b === 'string') return String(a) < String(b) ? -1 : a === b ? 0 : 1;
  // What is missing comes last, whichever way the others go.
  if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(a)) - Number(Number.isNaN(b));
  return table.falling ? b - a : a - b;
}

function drawTable() {
  const all = columns();
  const column = all.find(({ name }) => name === table.column) ?? all[0];
  if (column === undefined) return;
  const rows = rowsNow().filter(({ state }) => table.state === '' || state === table.state);
  const keys = new Map(rows.map((row) => [row, column.key(row)]));
  rows.sort((a, b) => {
    const order = compare(keys.get(a) ?? NaN, keys.get(b) ?? NaN);
    return typeof keys.get(a) === 'string' && table.falling ? -order : order;
  });
  const pages = Math.max(1, Math.ceil(rows.length / TABLE_ROWS));
  table.page = Math.min(table.page, pages - 1);
  const shown = rows.slice(table.page * TABLE_ROWS, (table.page + 1) * TABLE_ROWS);
  const head = element(
    'tr',
    {},
    all.map((one) => heading(one)),
  );
  const best = new Set(headNow().best);
  const body = shown.map((row) =>
    element(
      'tr',
      { class: best.has(row.number) ? 'best' : '' },
      all.map((one) => cell(one, row)),
    ),
  );
  part('trials').replaceChildren(element('thead', {}, [head]), element('tbody', {}, body));
  const { trials } = headNow();
  const some = study.rows.size < trials ? `, of ${trials.toLocaleString('en')} in all` : '';
  part('table-place').textContent =
    `${counted(rows.length, 'trial')}${some}; page ${table.page + 1} of ${pages}`;
  /** @type {HTMLButtonElement} */ (part('earlier')).disabled = table.page === 0;
  /** @type {HTMLButtonElement} */ (part('later')).disabled = table.page >= pages - 1;
}

/** @param {Column} column */
function heading({ name }) {
  const active = name === table.column;
  const mark = active ? (table.falling ? ' \u2193' : ' \u2191') : '';
  const button = element('button', { text: name + mark });
  button.addEventListener('click', () => {
    table.falling = active ? !table.falling : false;
    table.column = name;
    table.page = 0;
    drawTable();
  });
  const made = element('th', {}, [button]);
  made.setAttribute('aria-sort', active ? (table.falling ? 'descending' : 'ascending') : 'none');
  return made;
}

/** @param {Column} column @param {Row} row */
function cell(column, row) {
  const text = column.text(row);
  const kind = column.name === 'state' ? `state-${row.state}` : (column.class ?? '');
  return element('td', {
    class: kind,
    text: text.length > 200 ? `${text.slice(0, 200)}...` : text,
    title: text,
  });
}

function beginTable() {
  const states = /** @type {HTMLSelectElement} */ (part('states'));
  states.addEventListener('change', () => {
    table.state = states.value;
    table.page = 0;
    drawTable();
  });
  for (const [id, step] of /** @type {const} */ ([
    ['earlier', -1],
    ['later', 1],
  ]))
    part(id).addEventListener('click', () => {
      table.page += step;
      drawTable();
    });
}
