// The page: what it consists of, and keeping it up to date.

/** A place for a chart, drawn when it is in sight, and anew when something has changed. */
class Figure {
  /** @param {HTMLElement} card @param {(theme: Colours) => Picture | undefined} draw */
  constructor(card, draw) {
    this.card = card;
    this.draw = draw;
    this.place = /** @type {HTMLElement} */ (card.querySelector('.chart'));
    /** @type {Chart | undefined} */
    this.chart = undefined;
    this.renderer = '';
    this.stale = true;
    this.seen = false;
    Figure.byPlace.set(this.place, this);
    Figure.watch.observe(this.place);
    Figure.sizes.observe(this.place);
  }

  /** @type {Map<Element, Figure>} */
  static byPlace = new Map();

  static watch = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) {
        const figure = Figure.byPlace.get(target);
        if (figure === undefined) continue;
        figure.seen = isIntersecting;
        figure.update();
      }
    },
    { rootMargin: '400px' },
  );

  static sizes = new ResizeObserver((entries) => {
    for (const { target } of entries) Figure.byPlace.get(target)?.chart?.resize();
  });

  static staleAll() {
    for (const figure of Figure.byPlace.values()) {
      figure.stale = true;
      figure.update();
    }
  }

  update() {
    if (!this.stale || !(this.seen || this.card.hidden)) return;
    const theme = colours();
    const picture = this.draw(theme);
    this.card.hidden = picture === undefined;
    if (picture === undefined) return;
    // A card that was hidden is drawn when it comes into sight.
    if (!this.seen) return;
    this.stale = false;
    const { option, note, signs, height } = picture;
    if (height !== undefined) this.place.style.height = `${height}px`;
    const noted = this.card.querySelector('.note');
    if (noted !== null && note !== undefined) noted.textContent = note;
    this.card.querySelector('.legend')?.replaceChildren(...legend(signs ?? [], theme));
    this.ready().setOption(option, { notMerge: true });
  }

  ready() {
    const renderer = study.rows.size > MOST_SVG ? 'canvas' : 'svg';
    if (this.chart === undefined || this.renderer !== renderer) {
      this.chart?.dispose();
      this.chart = echarts.init(this.place, null, { renderer });
      this.renderer = renderer;
    }
    return this.chart;
  }

  remove() {
    Figure.byPlace.delete(this.place);
    Figure.watch.unobserve(this.place);
    Figure.sizes.unobserve(this.place);
    this.chart?.dispose();
    this.card.remove();
  }
}

/** @type {Figure[]} */
let scatters = [];
let scatterAxes = '';

/** A chart for each of the most important axes, in the space's order. */
function layScatters() {
  const { axes } = headNow();
  const chosen = new Set(axesByImportance().slice(0, MOST_SCATTERS));
  const indices = [...axes.keys()].filter((index) => chosen.has(index));
  part('scatter-card').hidden = indices.length === 0;
  const some =
    axes.length > indices.length ? `The ${indices.length} most important of ${axes.length} axes. ` : '';
  const when = axes.some((axis) => axis.when !== '') ? 'Axes of a branch show the trials that took it.' : '';
  part('scatter-note').textContent = some + when;
  part('scatter-legend').replaceChildren(...legend(scatterSigns(colours()), colours()));
  if (indices.join() === scatterAxes) return;
  scatterAxes = indices.join();
  for (const figure of scatters) figure.remove();
  scatters = indices.map((index) => {
    const name = axes[index]?.name ?? '';
    const chart = element('div', { class: 'chart' });
    describe(chart, `the value over ${name}`);
    const card = element('div', {}, [chart]);
    part('scatters').append(card);
    return new Figure(card, (theme) => scatter(theme, index));
  });
}

/** @param {HTMLElement} place @param {string} text */
function describe(place, text) {
  place.setAttribute('role', 'img');
  place.setAttribute('aria-label', text);
}

function drawHead() {
  const { name, place, objectives, states, trials, best, at, axes, axesLeftOut } = headNow();
  part('name').textContent = name;
  part('place').textContent = place;
  const way = objectives.map((one) => `${one.direction} ${one.name}`).join(', ');
  part('way').textContent = `${way} \u00b7 as of ${new Date(at).toLocaleString('en-GB')}`;
  /** @param {string | number} value @param {string} words @param {string} [more] */
  const fact = (value, words, more = '') =>
    element('div', { class: `fact ${more}` }, [
      element('b', { text: typeof value === 'number' ? value.toLocaleString('en') : value }),
      element('span', { class: 'quiet', text: words }),
    ]);
  const facts = [fact(trials, trials === 1 ? 'trial' : 'trials')];
  for (const [state, count] of Object.entries(states)) if (count > 0) facts.push(fact(count, state));
  const row = study.rows.get(best[0] ?? -1);
  if (objectives.length > 1) facts.push(fact(best.length, 'on the front'));
  else if (row !== undefined) {
    facts.push(fact(format(valueIn(row)), `best value, trial ${row.number}`));
    const params = axes.flatMap(({ name: axis, labels }, i) => {
      const at = row.places[i] ?? null;
      return at === null ? [] : [`${axis} = ${labels?.[at] ?? format(at)}`];
    });
    facts.push(
      fact(params.slice(0, 12).join(',  ') + (params.length > 12 ? ', ...' : ''), 'its parameters', 'wide'),
    );
  }
  part('facts').replaceChildren(...facts);
  part('axes-note').textContent =
    axesLeftOut > 0 ? `${counted(axesLeftOut, 'more parameter')} not shown.` : '';
}

function drawSetup() {
  const { space, strategy, rules, axes } = headNow();
  const body = axes.map(({ name, low, high, log, whole, labels, when }) => {
    const range = labels?.join(', ') ?? `${format(low)} to ${format(high)}`;
    const kind = labels === undefined ? (whole ? 'whole number' : 'number') + (log ? ', log' : '') : 'choice';
    const cells = [[name], [kind], [range, 'text'], [when, 'text']];
    return element(
      'tr',
      {},
      cells.map(([text = '', kind = '']) => element('td', { text, class: kind })),
    );
  });
  const titles = ['parameter', 'kind', 'range', 'where'].map((text) => element('th', { text }));
  part('space').replaceChildren(
    element('thead', {}, [element('tr', {}, titles)]),
    element('tbody', {}, body),
  );
  for (const [id, text] of [
    ['space-json', space],
    ['strategy', strategy],
    ['rules', rules],
  ])
    part(id ?? '').textContent = text === '' ? 'not recorded' : (text ?? '');
}

/** Where there are several objectives: which of them, and which two against each other. */
function drawChoices() {
  const { objectives } = headNow();
  const several = objectives.length > 1;
  part('objectives').hidden = !several;
  /** @param {string} id @param {number} chosen */
  const fill = (id, chosen) => {
    const select = /** @type {HTMLSelectElement} */ (part(id));
    const names = objectives.map(({ name }, i) => {
      const option = /** @type {HTMLOptionElement} */ (element('option', { text: name }));
      option.value = String(i);
      return option;
    });
    const before = select.options.length === names.length ? select.value : String(chosen);
    select.replaceChildren(...names);
    select.value = before;
  };
  if (!several) return;
  fill('objective', 0);
  fill('across', 0);
  fill('up', 1);
}

/** @param {string} id */
function chosen(id) {
  return Number(/** @type {HTMLSelectElement} */ (part(id)).value);
}

function drawAll() {
  drawHead();
  drawChoices();
  layScatters();
  drawTable();
  drawSetup();
  Figure.staleAll();
}

/** @param {number} poll Milliseconds. @param {string} token */
async function follow(poll, token) {
  for (;;) {
    await new Promise((done) => setTimeout(done, poll));
    if (document.hidden) continue;
    try {
      const answer = await fetch(`changes?since=${encodeURIComponent(token)}`, { cache: 'no-store' });
      const update = await answer.json();
      if (!answer.ok) throw new Error(update.problem);
      token = update.token;
      if (take(update)) drawAll();
      part('problem').textContent = '';
      part('live').textContent = 'live';
    } catch (error) {
      // Also where the server has ended: what is known stays.
      part('problem').textContent =
        `not up to date: ${error instanceof Error ? error.message : String(error)}`;
      part('live').textContent = 'waiting';
    }
  }
}

function begin() {
  /** @type {PageStart} */
  const start = JSON.parse(part('data').textContent ?? '');
  take(start.update);
  const { objectives } = headNow();
  /** @type {readonly (readonly [string, (theme: Colours) => Picture | undefined])[]} */
  const figures = [
    ['history', historyChart],
    [
      'front',
      (theme) => (headNow().objectives.length > 1 ? front(theme, chosen('across'), chosen('up')) : undefined),
    ],
    ['importance', importanceBars],
    ['curves', curves],
    ['parallel', parallel],
  ];
  for (const [id, draw] of figures) {
    const card = part(`${id}-card`);
    describe(/** @type {HTMLElement} */ (card.querySelector('.chart')), id);
    new Figure(card, draw);
  }
  beginTable();
  if (objectives.length > 1) {
    drawChoices();
    part('objective').addEventListener('change', () => {
      study.objective = chosen('objective');
      drawAll();
    });
    for (const id of ['across', 'up']) part(id).addEventListener('change', () => Figure.staleAll());
  }
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', drawAll);
  drawAll();
  part('live').hidden = start.poll === 0;
  if (start.poll > 0) void follow(start.poll, start.update.token);
}

begin();
