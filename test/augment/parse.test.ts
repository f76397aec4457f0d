import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import * as augment from '../../lib/augment';
import { parseAugmentation, withPolicies } from '../../lib/augment/parse';
import { splitCalls } from '../../lib/augment/spelling';
import type { SubPolicy } from '../../lib/augment';
import { picture } from './support';

const POLICY: readonly SubPolicy[] = [
  [
    ['Rotate', 0.8, 4],
    ['Color', 0.5, 7],
  ],
  [['Equalize', 0.6]],
];

/** A module with a custom augmentation. */
const MODULE = join(__dirname, 'children', 'custom.mjs');

const vocabulary = { where: 'here', aliases: {} };
const parsed = (text: string) => parseAugmentation(text, vocabulary);

test('splitCalls cuts at commas outside of parentheses, brackets and strings', () => {
  const list = ['crop', 'oneOf(flip,sequence(a,b))', 'policy([["x",1],[2]])', 'policy("a, (b.json")', 'x'];
  expect(splitCalls(list.join(' , '))).toEqual(list);
});

test.each([
  ['flip', augment.flip()],
  ['RandomCrop(8:6, padding=2)', augment.randomCrop([8, 6], { padding: 2 })],
  ['rotate(15, interpolation="nearest")', augment.rotate(15, { interpolation: 'nearest' })],
  ['oneOf(flip, rotate(15))', augment.oneOf([augment.flip(), augment.rotate(15)])],
  [
    'oneof( flip , rotate(15) , weights=2:1 , p=0.5 )',
    augment.oneOf([augment.flip(), augment.rotate(15)], { weights: [2, 1], p: 0.5 }),
  ],
  [
    'someOf(1:2, flip, invert(p=1), replace=true)',
    augment.someOf([1, 2], [augment.flip(), augment.invert({ p: 1 })], { replace: true }),
  ],
  [
    'someOf(1, sequence(flip, posterize(3)), oneOf(invert, cutout(3)))',
    augment.someOf(1, [
      augment.sequence([augment.flip(), augment.posterize(3)]),
      augment.oneOf([augment.invert(), augment.cutout(3)]),
    ]),
  ],
  [`policy(${JSON.stringify(POLICY)}, p=0.9)`, augment.policy(POLICY, { p: 0.9 })],
])('%s is what the functions make', async (text, made) => {
  const spelled = parsed(text);
  expect(spelled.name).toBe(made.name);
  expect(spelled.settings).toEqual(made.settings);
  const images = picture(4, 12, 10, 3);
  const [one, other] = [await augment.apply([spelled], images), await augment.apply([made], images)];
  expect(one.pixels).toEqual(other.pixels);
});

test('custom takes the file of a module', () => {
  const made = augment.custom(MODULE, { workers: 3, p: 0.5, name: 'mine' });
  for (const file of [MODULE, JSON.stringify(MODULE)]) {
    const spelled = parsed(`Custom(${file}, workers=3, p=0.5, name=mine)`);
    expect([spelled.name, spelled.settings]).toEqual(['mine', made.settings]);
  }
  expect(made.settings).toEqual({ p: 0.5, workers: 3, module: pathToFileURL(MODULE).href });
});

test.each([
  ['custom()', 'custom takes the file of a module, and settings by name', 1],
  [`custom(${MODULE}, 2)`, 'custom takes the file of a module, and settings by name', 1],
  ['custom(./none.mjs)', "augment.custom: the function's module ./none.mjs does not exist", 1],
  [`custom(${MODULE}, worker=2)`, 'unknown option "worker" (did you mean "workers"?)', 1],
  [`oneOf(flip, custom(${MODULE}))`, 'custom', 1],
  ['oneOf(flip, rotat(3))', 'here: there is no augmentation "rotat" (did you mean "rotate"?)', 13],
  ['oneOff(flip)', 'there is no augmentation "oneOff" (did you mean "oneOf"?)', 1],
  ['oneOf(flip, rotate(15)', '"(" is not closed', 6],
  ['oneOf(flip, rotate(15)))', 'expected augmentations such as cutout(8)', 1, '")" closes nothing'],
  ['policy([[["Rotate", 1, 3])', '")" closes nothing', 26],
  ['policy("a.json)', 'a string is not closed', 8],
  ['sequence(flip, oneOf(invert, cutout(0)))', 'augment.cutout: size', 30],
  ['sequence(flip, oneOf(invert, p=2))', 'augment.oneOf: p must be a number from 0 to 1, got 2', 16],
  ['oneOf(flip, rotate(15), weights=1:2:3)', 'augment.oneOf: 3 weights for 2 augmentations', 1],
  ['oneOf()', 'augment.oneOf: the list is empty', 1],
  ['oneOf(p=0.5, flip)', 'oneOf has an argument without a name behind one with a name', 14],
  ['oneOf(flip, p=0.5, p=1)', 'oneOf has p twice', 20],
  ['oneOf(flip,)', 'expected augmentations such as cutout(8), got ""', 12],
  ['oneOf(flip, __proto__=1)', 'unknown option', 1],
  ['someOf(3, flip, invert)', 'augment.someOf: 3 of 2 augmentations, without replacement', 1],
  ['someOf(flip, invert)', 'n must be a whole number from 0 to 100, or [least, most], got "flip"', 1],
  ['someOf', 'n must be a whole number', 1],
  ['policy', 'policy takes a file, or sub-policies as JSON', 1],
  ['policy([[["Rotat", 1, 3]]])', 'step 1 of sub-policy 1: unknown operation "Rotat"', 1],
  ['policy([[["Rotate", 1 3]]])', 'the sub-policies are not JSON', 8],
  ['policy(found.json)', 'the policy of the file "found.json" is missing', 1],
  [`${'sequence('.repeat(9)}flip${')'.repeat(9)}`, 'more than 8 augmentations in each other', 73],
])('%s is refused with its place', (text, message, at, other = message) => {
  expect(() => parsed(text)).toThrow(expect.objectContaining({ code: 'ERR_TENON_OPTION' }));
  expect(() => parsed(text)).toThrow(other);
  if (other === message) expect(() => parsed(text)).toThrow(`, at character ${at} of `);
});

test('a deep text ends in an error, not in a full stack', async () => {
  const text = `${'oneOf('.repeat(20_000)}flip${')'.repeat(20_000)}`;
  expect(() => parsed(text)).toThrow('more than 8 augmentations in each other');
  expect(await withPolicies(text, 'here', () => Promise.resolve([]))).toBe(text);
});

test('the deepest text runs, with a policy in it', async () => {
  const text = `${'sequence('.repeat(7)}policy([[["Invert",1]]])${')'.repeat(7)}`;
  const { pixels } = await augment.apply([parsed(text)], {
    pixels: Uint8Array.of(1, 2, 3),
    shape: [1, 1, 3],
  });
  expect([...pixels]).toEqual([254, 253, 252]);
});

test('withPolicies puts policies in the place of their files', async () => {
  const asked: string[] = [];
  const read = (file: string): Promise<readonly SubPolicy[]> => {
    asked.push(file);
    return Promise.resolve(POLICY);
  };
  const text =
    'oneOf(flip, policy(a/b.json, p=0.5), sequence(policy("c, d.json")), policy([[["Invert", 1]]]))';
  const json = JSON.stringify(POLICY);
  expect(await withPolicies(text, 'here', read)).toBe(
    `oneOf(flip, policy(${json}, p=0.5), sequence(policy(${json})), policy([[["Invert", 1]]]))`,
  );
  expect(asked).toEqual(['a/b.json', 'c, d.json']);
});
