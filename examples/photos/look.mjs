/** What a folder of photographs holds, and what of it can be used. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { data } from 'tenon';

const SHOWN = 10;

/**
 * Opens PHOTOS/CLASS/*.jpg without broken files and copies, and says what was left out.
 * @throws DataError where there is nothing to learn
 */
export async function openPhotos(dir, imageSize) {
  const all = await data.folder({ dir, imageSize, onError: 'skip' });
  list(
    'broken',
    all.skipped.map(({ file, reason }) => `${file}: ${reason}`),
  );
  const copies = await findCopies(all);
  list(
    'copies',
    [...copies].map(([copy, first]) => `${all.file(copy)} = ${all.file(first)}`),
  );
  const photos = copies.size === 0 ? all : all.filter(({ index }) => !copies.has(index));
  const counts = photos.classCounts();
  console.log(`${photos.length} photographs of ${counts.length} classes`);
  photos.classNames.forEach((name, i) => console.log(`  ${name}: ${counts[i]}`));
  if (counts.length < 2 || Math.min(...counts) < 5)
    throw new Error(`${dir}: there must be two classes at least, with five photographs each at least`);
  return { photos, unbalanced: Math.max(...counts) > 2 * Math.min(...counts) };
}

/**
 * The index of each file that has the bytes of an earlier one, and that one's. A held-out
 * copy proves nothing.
 */
async function findCopies(set) {
  const seen = new Map();
  const copies = new Map();
  for (let i = 0; i < set.length; i++) {
    const key = createHash('sha256')
      .update(await readFile(set.file(i)))
      .digest('hex');
    if (seen.has(key)) copies.set(i, seen.get(key));
    else seen.set(key, i);
  }
  return copies;
}

function list(title, lines) {
  if (lines.length === 0) return;
  console.log(`${title}, left out: ${lines.length}`);
  for (const line of lines.slice(0, SHOWN)) console.log(`  ${line}`);
}
