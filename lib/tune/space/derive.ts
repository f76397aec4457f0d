/** The space of trials that somebody else made. */
import type { Dimension, Domain } from './dimension';
import { readSpace, type Parameter, type Space } from './parameters';

/**
 * A space of all parameters that the trials have, each as the last trial has it. Which of them depend on
 * which choices is not known, so that each trial of the space has all of them.
 * @param trials the dimensions of each
 * @returns undefined where there are none
 * @throws OptionError naming a parameter that a space cannot have
 */
export function spaceOfTrials(where: string, trials: Iterable<readonly Dimension[]>): Space | undefined {
  const latest = new Map<string, Domain>();
  for (const dimensions of trials) for (const { name, domain } of dimensions) latest.set(name, domain);
  if (latest.size === 0) return undefined;
  return readSpace(
    where,
    Object.fromEntries(Array.from(latest, ([name, domain]) => [name, parameterOf(domain)])),
  );
}

function parameterOf(domain: Domain): Parameter {
  if (domain.type !== 'float') return domain;
  const { low, high, log, step } = domain;
  if (log) return { type: 'logUniform', low, high };
  return { type: 'uniform', low, high, ...(step === undefined ? {} : { step }) };
}
