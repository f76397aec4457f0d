/** The command line that trains as a trial did. */
import type { StudyTrial } from '../tune/run/runnable';
import type { Value } from '../tune/space/dimension';
import { NOTE } from '../tune/study/notes';
import { spelled } from './flags';
import { flatWords, HELD_OUT, SEARCHABLE, settingNamed } from './trial-settings';

/** `tenon train --optimizer adam --lr 0.0012`. What is off by default is left out. */
export function trainCommandOf({ params, notes }: StudyTrial<object>): string {
  const budget = notes[NOTE.budget];
  const { metric: _, ...words } = flatWords(params as Readonly<Record<string, unknown>>);
  const all: Readonly<Record<string, Value>> = {
    validation: HELD_OUT,
    ...words,
    ...(typeof budget === 'number' && { epochs: budget }),
  };
  const named = Object.entries(all).sort(([a], [b]) => SEARCHABLE.indexOf(a) - SEARCHABLE.indexOf(b));
  const flags = named.flatMap(([name, word]) =>
    word === null || (word === 'none' && settingNamed(name)?.default === null)
      ? []
      : [`${spelled(name)} ${shellWord(String(word))}`],
  );
  return ['tenon train', ...flags].join(' ');
}

/** As a shell reads it as one word. */
export function shellWord(text: string): string {
  return /^[\w./:=,+@%-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
