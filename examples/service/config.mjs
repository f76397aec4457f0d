// @ts-check
/** The service's settings, all from the environment, read and checked once. README.md explains them. */

/**
 * @param {number} least
 * @param {number} most
 * @returns {(text: string) => number}
 */
const wholeNumber = (least, most) => (text) => {
  const value = Number(text);
  if (text.trim() !== '' && Number.isInteger(value) && value >= least && value <= most) return value;
  throw new Error(`must be a whole number from ${least} to ${most}`);
};

/** @param {string} text */
function text(text) {
  if (text !== '') return text;
  throw new Error('must not be empty');
}

/** @param {string} text */
function token(text) {
  if (text === '' || text.length >= 16) return text;
  throw new Error('must have at least 16 characters');
}

/** @param {string} text */
function level(text) {
  const levels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];
  if (levels.includes(text)) return text;
  throw new Error(`must be one of ${levels.join(', ')}`);
}

const HOUR = 3_600_000;

/** Each setting's default, as the environment would say it, and how it is read. */
const SETTINGS = {
  HOST: { default: '127.0.0.1', read: text },
  PORT: { default: '8080', read: wholeNumber(0, 65535) },
  LOG_LEVEL: { default: 'info', read: level },
  MODEL_FILE: { default: 'model.safetensors', read: text },
  ADMIN_TOKEN: { default: '', read: token },
  MAX_BODY_BYTES: { default: '10000000', read: wholeNumber(1, 2 ** 30) },
  MAX_PIXELS: { default: '50000000', read: wholeNumber(1, 2 ** 28) },
  MAX_IN_FLIGHT: { default: '64', read: wholeNumber(1, 10_000) },
  MAX_BATCH: { default: '1', read: wholeNumber(1, 16) },
  UPLOAD_TIMEOUT_MS: { default: '10000', read: wholeNumber(1, HOUR) },
  ANSWER_TIMEOUT_MS: { default: '10000', read: wholeNumber(1, HOUR) },
  DRAIN_MS: { default: '0', read: wholeNumber(0, HOUR) },
  GRACE_MS: { default: '10000', read: wholeNumber(1, HOUR) },
};

/**
 * @typedef {{ readonly [Name in keyof typeof SETTINGS]: ReturnType<(typeof SETTINGS)[Name]['read']> }} Config
 */

/**
 * @param {Readonly<Record<string, string | undefined>>} environment
 * @returns {Config}
 * @throws {Error} that lists every setting that is wrong
 */
export function readConfig(environment) {
  /** @type {string[]} */
  const problems = [];
  const entries = Object.entries(SETTINGS).map(([name, { default: otherwise, read }]) => {
    const given = environment[name] ?? otherwise;
    try {
      return [name, read(given)];
    } catch (error) {
      const value = name === 'ADMIN_TOKEN' ? '' : `, got ${JSON.stringify(given.slice(0, 100))}`;
      problems.push(`${name} ${/** @type {Error} */ (error).message}${value}`);
      return [name, undefined];
    }
  });
  if (problems.length > 0) throw new Error(`wrong settings in the environment: ${problems.join('; ')}`);
  return Object.fromEntries(entries);
}
