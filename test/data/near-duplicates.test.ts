/** Near duplicates that sharp makes: resized, compressed again, lighter, grey, in other formats. */
import sharp from 'sharp';
import * as data from '../../lib/data';
import { noise } from '../support/noise';
import { picture } from '../support/pictures';
import { failure, useTempDir } from './helpers';

const { file, path } = useTempDir();

const COPIES: readonly ((original: Buffer) => sharp.Sharp)[] = [
  (original) => sharp(original).jpeg({ quality: 40 }),
  (original) => sharp(original).resize(72, 54).jpeg(),
  (original) => sharp(original).resize(400).webp({ quality: 60 }),
  (original) => sharp(original).linear(1.15, 4).png(),
  (original) => sharp(original).greyscale().png(),
];

/** `count` photographs, each with its copies in a class; their files sorted as the folder sorts them. */
async function album(count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const original = await picture(100 * i + 1, 150, 200)
      .jpeg({ quality: 92 })
      .toBuffer();
    const name = `${i % 2 === 0 ? 'cat' : 'dog'}/${String(i).padStart(2, '0')}`;
    await file(`${name}.jpg`, original);
    for (const [c, copy] of COPIES.entries())
      await file(`${name}-${c}.${['jpg', 'jpg', 'webp', 'png', 'png'][c]}`, await copy(original).toBuffer());
  }
}

test.each<[string, Omit<data.FolderOptions, 'dir'>]>([
  ['of one size', { imageSize: 64 }],
  ['grey', { imageSize: 40, channels: 1 }],
  ['of sizes of their own', { imageSize: 32, keep: 'original' }],
])('copies of photographs are groups: images %s', async (_, options) => {
  await album(12);
  await file('dog/wrong.jpg', await picture(1, 90, 120).jpeg().toBuffer()); // the first cat
  for (let i = 0; i < 6; i++)
    await file(
      `cat/wall${i}.png`,
      await sharp(
        noise(30, 40, 3, i + 1).map((v) => 90 + (v & 3)),
        { raw: { height: 30, width: 40, channels: 3 } },
      )
        .png()
        .toBuffer(),
    );
  const set = await data.folder({ dir: path(), ...options });
  const reports: [number, number][] = [];
  const { groups, groupOf } = await data.nearDuplicates(set, { onProgress: (...now) => reports.push(now) });
  const names = groups.map(({ positions }) =>
    positions.map((position) =>
      set
        .file(position)!
        .slice(path().length + 1)
        .replace(/\..*/, ''),
    ),
  );
  const expected = [0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9, 11].map((i) => {
    const name = `${i % 2 === 0 ? 'cat' : 'dog'}/${String(i).padStart(2, '0')}`;
    const all = [...COPIES.map((__, c) => `${name}-${c}`), name];
    return i === 0 ? [...all, 'dog/wrong'] : all;
  });
  expect(names).toEqual(expected);
  expect(groups[0]!.classNames).toEqual(['cat', 'dog']);
  expect(groups.slice(1).map(({ classNames }) => classNames.length)).toEqual(Array(11).fill(1));
  const ofGroup = new Map(groups.flatMap(({ positions }) => positions.map((at) => [at, positions[0]!])));
  expect([...groupOf]).toEqual(Array.from(groupOf, (__, position) => ofGroup.get(position) ?? position));
  expect(reports).toEqual([
    [64, 79],
    [79, 79],
  ]);
  for (const { train, validation } of [
    set.holdOut(0.25, { groups: groupOf, stratified: true }),
    ...set.folds(3, { groups: groupOf }),
  ]) {
    const original = (part: data.Dataset) =>
      Array.from({ length: part.length }, (__, at) => /\d\d/.exec(part.file(at)!.slice(path().length))?.[0]);
    const trains = new Set(original(train).filter(Boolean));
    expect(original(validation).filter((name) => trains.has(name))).toEqual([]);
    expect(validation.length).toBeGreaterThan(12);
  }
});

test('a sample that a set has more than once is one, and classes go without labels', async () => {
  const shape = [24, 24, 1] as const;
  const pictures = await Promise.all(
    [1, 2, 3].map((seed) =>
      picture(50 * seed, 24, 24)
        .toColourspace('b-w')
        .raw()
        .toBuffer(),
    ),
  );
  const images = Buffer.concat([...pictures, pictures[1]!.map((value) => Math.min(255, value + 5))]);
  const set = await data.fromArrays({ images: new Uint8Array(images), labels: [0, 0, 1, 1], shape });
  const { groups, groupOf } = await data.nearDuplicates(set.subset([3, 0, 0, 2, 1, 3]));
  expect(groups).toEqual([{ positions: [0, 4, 5], classNames: ['0', '1'] }]);
  expect(groupOf).toEqual(Int32Array.of(0, 1, 1, 3, 0, 0));
  expect((await data.nearDuplicates(set.take(3))).groups).toEqual([]);
});

test('what cannot be searched is refused', async () => {
  const features = await data.fromFeatures({ inputs: [1, 2], shape: [1], targets: [0, 1] });
  const four = await data.fromArrays({ images: new Uint8Array(16), labels: [0], shape: [2, 2, 4] });
  await file('a/broken.jpg', 'no JPEG');
  await file('a/a.png', await picture(1, 20, 20).png().toBuffer());
  const broken = await data.folder({ dir: path(), imageSize: 20 });
  const calls: [() => unknown, string, string][] = [
    [() => data.nearDuplicates([] as never), 'ERR_TENON_OPTION', 'expected a Dataset'],
    [() => data.nearDuplicates(features), 'ERR_TENON_OPTION', 'the set is of features'],
    [() => data.nearDuplicates(four), 'ERR_TENON_DATA', 'must have 1 or 3 channels, these have 4'],
    [() => data.nearDuplicates(four, { onprogress: 1 } as never), 'ERR_TENON_OPTION', 'onProgress'],
    [() => data.nearDuplicates(four, { onProgress: 1 as never }), 'ERR_TENON_OPTION', 'must be a function'],
    [() => data.nearDuplicates(four, { signal: 1 as never }), 'ERR_TENON_OPTION', 'signal'],
    [() => data.nearDuplicates(broken), 'ERR_TENON_FORMAT', 'broken.jpg: not a readable image'],
    [() => data.nearDuplicates(broken, { signal: AbortSignal.abort() }), 'ERR_TENON_ABORTED', 'aborted'],
  ];
  for (const [call, code, message] of calls)
    expect(await failure(call)).toEqual({ code, message: expect.stringContaining(message) });
});
