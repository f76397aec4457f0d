// Numbers as text, elements, colours. All text from a study goes through `textContent`.

/** @param {Plain | null | undefined} value */
function numberOf(value) {
  return value === undefined || value === null ? NaN : Number(value);
}

/** Four significant digits. @param {number} value */
function format(value) {
  if (!Number.isFinite(value)) return String(value).replace('Infinity', '\u221e');
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) {
    const [digits = '', power = ''] = value.toExponential(3).split('e');
    return `${Number(digits)}e${Number(power)}`;
  }
  return String(Number(value.toPrecision(4)));
}

/** @param {number | undefined} from @param {number | undefined} to Milliseconds. */
function duration(from, to) {
  if (from === undefined || to === undefined) return '';
  const seconds = Math.max(0, to - from) / 1000;
  if (seconds < 100) return `${format(seconds)} s`;
  const minutes = seconds / 60;
  return minutes < 100 ? `${format(minutes)} min` : `${format(minutes / 60)} h`;
}

/** @param {number} count @param {string} word */
function counted(count, word) {
  return `${count.toLocaleString('en')} ${word}${count === 1 ? '' : 's'}`;
}

/**
 * @param {string} tag
 * @param {{ class?: string, text?: string, title?: string }} [how]
 * @param {readonly (Node | string)[]} [children]
 */
function element(tag, how = {}, children = []) {
  const made = document.createElement(tag);
  if (how.class !== undefined) made.className = how.class;
  if (how.text !== undefined) made.textContent = how.text;
  if (how.title !== undefined) made.title = how.title;
  made.append(...children);
  return made;
}

/** An element of the page. @param {string} id */
function part(id) {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no ${id}`);
  return found;
}

/** The colours of the style sheet, as they are now. */
function colours() {
  const style = getComputedStyle(document.documentElement);
  /** @param {string} name */
  const of = (name) => style.getPropertyValue(`--${name}`).trim();
  return {
    main: of('main'),
    best: of('best'),
    pruned: of('pruned'),
    failed: of('failed'),
    running: of('running'),
    low: of('low'),
    text: of('text'),
    quiet: of('quiet'),
    grid: of('grid'),
    line: of('line'),
    card: of('card'),
  };
}

/** @typedef {ReturnType<typeof colours>} Colours */

/** A colour between two of the form #rrggbb. @param {string} a @param {string} b @param {number} share */
function mix(a, b, share) {
  const at = Math.min(1, Math.max(0, share));
  const parts = [1, 3, 5].map((from) => {
    const [low = 0, high = 0] = [a, b].map((colour) => parseInt(colour.slice(from, from + 2), 16));
    return Math.round(low + (high - low) * at)
      .toString(16)
      .padStart(2, '0');
  });
  return `#${parts.join('')}`;
}

/**
 * What the legend shows: [kind of mark, colour, words].
 * @typedef {readonly [kind: '' | 'ring' | 'stroke' | 'ramp', colour: string, words: string]} Sign
 */

/** @param {readonly Sign[]} signs @param {Colours} theme */
function legend(signs, theme) {
  return signs.map(([kind, colour, words]) => {
    const mark = element('i', { class: kind });
    if (kind === 'ring') mark.style.borderColor = colour;
    else if (kind === 'ramp') mark.style.background = `linear-gradient(90deg, ${theme.low}, ${colour})`;
    else mark.style.background = colour;
    return element('span', {}, [mark, words]);
  });
}
