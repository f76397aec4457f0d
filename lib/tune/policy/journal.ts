/** The record of a policy search: its settings, and for each child the choices and the reward. */
import { FormatError } from '../../errors';
import { writeFileAtomic } from '../../files/atomic-file';
import { fieldsOf, numberIn, textIn } from '../../files/json-fields';
import { pathKind, readText } from '../../files/read';
import { checkSeal, seal } from '../../files/sealed-json';
import { clip } from '../../options';

const FORM = 'tenon-policy-search-1';

export interface ChildRecord {
  readonly choices: readonly number[];
  readonly accuracy: number;
  readonly seconds: number;
}

/** What a journal holds. */
interface Journal {
  /** JSON. */
  readonly settings: string;
  readonly children: readonly ChildRecord[];
}

/**
 * The children of an earlier run of the same search; none where there is no file.
 * @throws FormatError for a damaged file, or one of a search with other settings
 */
export async function readJournal(path: string, settings: string): Promise<ChildRecord[]> {
  if ((await pathKind(path)) === 'nothing') return [];
  const text = await readText(path);
  const journal = journalIn(path, text, parseJson(path, text));
  if (journal.settings !== settings)
    throw new FormatError(
      `${clip(path)}: it holds a search with other settings: ${clip(journal.settings)}, not ${settings}`,
    );
  return [...journal.children];
}

/** The journal whose text is `json`. @throws FormatError */
export function journalIn(path: string, text: string, json: unknown): Journal {
  if (!checkSeal(path, text))
    throw new FormatError(`${clip(path)}: it is not the journal of a policy search`);
  const fields = fieldsOf(path, 'the journal', json);
  if (textIn(path, fields, 'form') !== FORM)
    throw new FormatError(`${clip(path)}: its form is ${clip(textIn(path, fields, 'form'))}, not ${FORM}`);
  const { children } = fields;
  if (!Array.isArray(children)) throw new FormatError(`${clip(path)}: children is not a list`);
  return {
    settings: textIn(path, fields, 'settings'),
    children: children.map((child, i) => childOf(path, `child ${i}`, child)),
  };
}

/** @throws FormatError */
export function parseJson(path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new FormatError(`${clip(path)}: it is not JSON`);
  }
}

function childOf(path: string, name: string, value: unknown): ChildRecord {
  const fields = fieldsOf(path, name, value);
  const { choices } = fields;
  if (!Array.isArray(choices) || !choices.every((choice) => Number.isSafeInteger(choice)))
    throw new FormatError(`${clip(path)}: choices of ${name} is not a list of whole numbers`);
  const accuracy = numberIn(path, fields, 'accuracy');
  return { choices: choices as number[], accuracy, seconds: numberIn(path, fields, 'seconds') };
}

export async function writeJournal(
  path: string,
  settings: string,
  children: readonly ChildRecord[],
): Promise<void> {
  const json = JSON.stringify({ form: FORM, settings, children }, null, 1);
  await writeFileAtomic(path, [Buffer.from(seal(json))]);
}
