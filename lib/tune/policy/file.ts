/** A policy in a file: the sub-policies themselves, or the journal of a search. */
import type { SubPolicy } from '../../augment';
import { checkPolicy, MOST_BINS } from '../../augment/policy';
import { FormatError, OptionError } from '../../errors';
import { readText } from '../../files/read';
import { checkKeys, clip, nonEmptyString, positiveInteger } from '../../options';
import { journalIn, parseJson } from './journal';
import { bestOf, policyDecisions, policyOf } from './space';

/** Options of `tune.readPolicy`. */
export interface ReadPolicyOptions {
  /** How many of the best policies of a journal are joined. Default 5, as in the paper. */
  readonly count?: number;
}

/**
 * The policy in a file that holds `JSON.stringify(search.best())`, or that a search wrote as its journal:
 * what `augment.policy` takes. A journal stands for what `search.best(count)` returned after its last child.
 * @throws FormatError for a file that holds neither; DataError, IoError; OptionError
 */
export async function readPolicy(
  path: string,
  options: ReadPolicyOptions = {},
): Promise<readonly SubPolicy[]> {
  const where = 'tune.readPolicy';
  nonEmptyString(where, 'file', path);
  checkKeys(where, options, ['count']);
  const { count = 5 } = options;
  positiveInteger(where, 'count', count);
  const text = await readText(path);
  const json = parseJson(path, text);
  if (Array.isArray(json)) return checked(path, json);
  const children = journalIn(path, text, json).children.map(({ choices, accuracy }, i) => {
    const decisions = policyDecisions(1);
    const valid =
      choices.length > 0 &&
      choices.length % decisions.length === 0 &&
      choices.every((choice, j) => choice >= 0 && choice < decisions[j % decisions.length]!.choices);
    if (!valid) throw new FormatError(`${clip(path)}: the choices of child ${i} are not those of a policy`);
    return { number: i + 1, accuracy, policy: policyOf(choices) };
  });
  if (children.length === 0) throw new FormatError(`${clip(path)}: no child is trained yet`);
  return bestOf(children, count);
}

function checked(path: string, json: readonly unknown[]): readonly SubPolicy[] {
  try {
    // Whoever uses it knows how many magnitudes there are.
    return checkPolicy(clip(path), json, MOST_BINS);
  } catch (error) {
    if (error instanceof OptionError) throw new FormatError(error.message, { cause: error });
    throw error;
  }
}
