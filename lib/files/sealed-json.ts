/** JSON files that show whether they were edited: the last entry is the SHA-256 of the text before it. */
import { createHash } from 'node:crypto';
import { FormatError } from '../errors';
import { clip } from '../options';

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/**
 * The text of `json`, an object's JSON with its brace on a line of its own, with a checksum as
 * its last entry.
 */
export function seal(json: string): string {
  const entries = json.slice(0, json.lastIndexOf('\n}'));
  return `${entries},\n "checksum": "${digestOf(entries)}"\n}\n`;
}

/**
 * Whether a text has a checksum; earlier versions wrote none.
 * @throws FormatError if the checksum is not that of the text
 */
export function checkSeal(file: string, text: string): boolean {
  const at = text.lastIndexOf(',\n "checksum": "');
  const sealed = at >= 0 && text === seal(`${text.slice(0, at)}\n}`);
  if (!sealed && text.includes('"checksum"'))
    throw new FormatError(
      `${clip(file)}: truncated, corrupt or edited: its checksum is not that of its text`,
    );
  return sealed;
}
