/** Domains as Optuna writes them: JSON that stands as a text within each operation. */
import type { Json } from '../../settings';
import type { Domain, Value } from '../space/dimension';
import { parsePythonJson, toPythonJson } from './python-json';

export function toDistribution(domain: Domain): string {
  if (domain.type === 'choice')
    return toPythonJson({ name: 'CategoricalDistribution', attributes: { choices: domain.choices } });
  const { low, high, log } = domain;
  const name = domain.type === 'float' ? 'FloatDistribution' : 'IntDistribution';
  return toPythonJson({ name, attributes: { log, step: domain.step ?? null, low, high } });
}

/** Names of Optuna before 3, which 5 reads as well. */
const BEFORE: Readonly<Record<string, { readonly name: string; readonly log: boolean }>> = {
  UniformDistribution: { name: 'FloatDistribution', log: false },
  LogUniformDistribution: { name: 'FloatDistribution', log: true },
  DiscreteUniformDistribution: { name: 'FloatDistribution', log: false },
  IntUniformDistribution: { name: 'IntDistribution', log: false },
  IntLogUniformDistribution: { name: 'IntDistribution', log: true },
};

/** @throws SyntaxError for what is not a distribution */
export function fromDistribution(text: string): Domain {
  const { name: given, attributes } = fieldsOf(parsePythonJson(text));
  const fields = fieldsOf(attributes ?? null);
  const before = typeof given === 'string' && Object.hasOwn(BEFORE, given) ? BEFORE[given] : undefined;
  const name = before?.name ?? given;
  if (name === 'CategoricalDistribution') return choiceOf(fields['choices']);
  if (name !== 'FloatDistribution' && name !== 'IntDistribution')
    throw new SyntaxError('a distribution of an unknown name');
  const { low, high, log = before?.log } = fields;
  const step = fields['step'] ?? fields['q'] ?? undefined;
  if (!isFinite(low) || !isFinite(high) || low > high || typeof log !== 'boolean')
    throw new SyntaxError('a distribution whose range is not one');
  if (step !== undefined && (!isFinite(step) || step <= 0))
    throw new SyntaxError('a distribution whose step is not a number above 0');
  if (log && low <= 0) throw new SyntaxError('a logarithmic distribution that reaches 0');
  const range = { low, high, log };
  if (name === 'IntDistribution') return Object.freeze({ type: 'integer', ...range, step: step ?? 1 });
  return Object.freeze({ type: 'float', ...range, ...(step === undefined ? {} : { step }) });
}

function choiceOf(choices: Json | undefined): Domain {
  if (!Array.isArray(choices) || choices.length === 0 || !choices.every(isValue))
    throw new SyntaxError('a distribution whose choices are not a list of plain values');
  return Object.freeze({ type: 'choice', choices: Object.freeze(choices) });
}

function isValue(value: Json): value is Value {
  return typeof value !== 'object' || value === null;
}

function isFinite(value: Json | undefined): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}

function fieldsOf(value: Json): Readonly<Record<string, Json>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new SyntaxError('a distribution that is not an object');
  return value as Readonly<Record<string, Json>>;
}

/**
 * Whether Optuna takes both for the same parameter of a study: it refuses to record a trial whose domain is
 * of another kind, another scale or other choices than an earlier one's.
 */
export function isCompatible(a: Domain, b: Domain): boolean {
  if (a.type === 'choice' && b.type === 'choice')
    return a.choices.length === b.choices.length && a.choices.every((choice, i) => choice === b.choices[i]);
  return a.type === b.type && a.type !== 'choice' && b.type !== 'choice' && a.log === b.log;
}
