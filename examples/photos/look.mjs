/** What a folder of photographs holds, and what of it can be used. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { data } from 'tenon';

const SHOWN = 10;

/**
 * Opens PHOTOS/CLASS/*.jpg without broken files and copies, and says what was left out. `groupOf` says
 * which photographs look the same: of a photograph and a smaller copy of it, one must not test what
 * the other taught.
 * @throws DataError where there is nothing to learn
 */
export async function openPhotos(dir, imageSize) {
  const all = await data.folder({ dir, imageSize, onError: 'skip' });
  list(
    'broken, left out',
    all.skipped.map(({ file, reason }) => `${file}: ${reason}`),
  );
  const copies = await findCopies(all);
  list(
    'copies, left out',
    [...copies].map(([copy, first]) => `${all.file(copy)} = ${all.file(first)}`),
  );
  const photos = copies.size === 0 ? all : all.filter(({ index }) => !copies.has(index));
  const { groups, groupOf } = await data.nearDuplicates(photos);
  const [contrary, alike] = [
    groups.filter(ofSeveralClasses),
    groups.filter((group) => !ofSeveralClasses(group)),
  ];
  list('look the same in several classes; is one in the wrong folder?', contrary.map(namesIn(photos)));
  list('look the same, so they are held out together or not at all', alike.map(namesIn(photos)));
  const counts = photos.classCounts();
  console.log(`${photos.length} photographs of ${counts.length} classes`);
  photos.classNames.forEach((name, i) => console.log(`  ${name}: ${counts[i]}`));
  const different = photos.classNames.map(
    (_, i) => new Set(groupOf.filter((__, at) => photos.label(at) === i)).size,
  );
  if (counts.length < 2 || Math.min(...different) < 5)
    throw new Error(
      `${dir}: there must be two classes at least, with five different photographs each at least`,
    );
  return { photos, groupOf, unbalanced: Math.max(...counts) > 2 * Math.min(...counts) };
}

function ofSeveralClasses({ classNames }) {
  return classNames.length > 1;
}

function namesIn(photos) {
  return ({ positions }) => positions.map((at) => photos.file(at)).join(' = ');
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
  console.log(`${title}: ${lines.length}`);
  for (const line of lines.slice(0, SHOWN)) console.log(`  ${line}`);
  if (lines.length > SHOWN) console.log(`  and ${lines.length - SHOWN} more`);
}
