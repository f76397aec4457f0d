/** Takes a line of a log, which may hold anything, for an operation. */
import { FormatError } from '../../errors';
import { problemOf, show } from '../../options';
import type { Json } from '../../settings';
import { OP, type Operation } from './operation';
import { parsePythonJson } from './python-json';

type Fields = Readonly<Record<string, Json>>;
type Test = (value: Json | undefined) => boolean;

const isText: Test = (value) => typeof value === 'string';
const isNumber: Test = (value) => typeof value === 'number';
const isId: Test = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
const isInteger: Test = (value) => Number.isSafeInteger(value);
const isFields: Test = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);
const isTime: Test = (value) => typeof value === 'string' && !Number.isNaN(Date.parse(value));
const listOf =
  (test: Test): Test =>
  (value) =>
    Array.isArray(value) && value.every((item: Json) => test(item));
const fieldsOf =
  (test: Test): Test =>
  (value) =>
    isFields(value) && Object.values(value as Fields).every((entry) => test(entry));
const oneOf =
  (...values: readonly Json[]): Test =>
  (value) =>
    values.some((known) => known === value);
const orNull =
  (test: Test): Test =>
  (value) =>
    value === null || test(value);
const optional =
  (test: Test): Test =>
  (value) =>
    value === undefined || test(value);
const isAttribute: Test = (value) => isFields(value) && Object.keys(value as Fields).length === 1;
const isState = oneOf(0, 1, 2, 3, 4);

/** The fields of each operation, by its number. */
const FIELDS: Readonly<Record<number, Readonly<Record<string, Test>>>> = {
  [OP.createStudy]: { study_name: isText, directions: listOf(oneOf(0, 1, 2)) },
  [OP.deleteStudy]: { study_id: isId },
  [OP.setStudyUserAttribute]: { study_id: isId, user_attr: isAttribute },
  [OP.setStudySystemAttribute]: { study_id: isId, system_attr: isAttribute },
  [OP.createTrial]: {
    study_id: isId,
    datetime_start: orNull(isTime),
    datetime_complete: optional(isTime),
    state: optional(isState),
    value: optional(orNull(isNumber)),
    values: optional(orNull(listOf(isNumber))),
    params: optional(fieldsOf(isNumber)),
    distributions: optional(fieldsOf(isText)),
    user_attrs: optional(isFields),
    system_attrs: optional(isFields),
    intermediate_values: optional(fieldsOf(isNumber)),
  },
  [OP.setParameter]: {
    trial_id: isId,
    param_name: isText,
    param_value_internal: isNumber,
    distribution: isText,
  },
  [OP.setStateAndValues]: {
    trial_id: isId,
    state: isState,
    values: orNull(listOf(isNumber)),
    datetime_start: optional(isTime),
    datetime_complete: optional(isTime),
  },
  [OP.setReport]: { trial_id: isId, step: isInteger, intermediate_value: isNumber },
  [OP.setTrialUserAttribute]: { trial_id: isId, user_attr: isAttribute },
  [OP.setTrialSystemAttribute]: { trial_id: isId, system_attr: isAttribute },
  [OP.discardTrials]: {},
};

/**
 * @param where the log and the line, for messages
 * @param text makes the text, and may throw for what is none
 * @throws FormatError for what is not an operation, or one of another version
 */
export function parseOperation(where: string, text: () => string): Operation {
  let json: Json;
  try {
    json = parsePythonJson(text());
  } catch (error) {
    throw new FormatError(`${where} is not JSON: ${problemOf(error)}`, { cause: error });
  }
  return readOperation(where, json);
}

function readOperation(where: string, json: Json): Operation {
  if (!isFields(json)) throw new FormatError(`${where} is not an operation of a study, but ${show(json)}`);
  const fields = json as Fields;
  const code = fields['op_code'];
  const known = typeof code === 'number' && Object.hasOwn(FIELDS, code) ? FIELDS[code] : undefined;
  if (known === undefined)
    throw new FormatError(
      `${where} has the op_code ${show(code)}, which is not one of 0 to ${OP.discardTrials}: it is not ` +
        `the journal of a study, or one of another version of Optuna`,
    );
  for (const [name, test] of Object.entries({ worker_id: isText, ...known }))
    if (!test(Object.hasOwn(fields, name) ? fields[name] : undefined))
      throw new FormatError(`${where}: ${name} of operation ${show(code)} is ${show(fields[name])}`);
  // Each field of the type was tested by its row of the table above.
  return fields as Operation;
}
