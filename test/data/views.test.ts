/**
 * Parts of a data set: by position, by what is asked of a sample, by class, by chance; and reading them back.
 */
import sharp from 'sharp';
import * as data from '../../lib/data';
import type { Dataset } from '../../lib/data';
import { crossEntropy } from '../../lib/losses';
import * as nn from '../../lib/nn';
import * as optim from '../../lib/optim';
import { Trainer } from '../../lib/train';
import { smallTrainer, someGlyphs, temporaryDirectory, weightsDigest } from '../train/helpers';
import { failure, useTempDir } from './helpers';

/** Sample i: 2 x 3 pixels of three channels, of value i everywhere, of class i % 4. */
function numbered(count = 20): Promise<Dataset> {
  const images = Uint8Array.from({ length: count * 18 }, (_, i) => Math.floor(i / 18));
  const labels = Array.from({ length: count }, (_, i) => i % 4);
  return data.fromArrays({ images, labels, shape: [2, 3, 3], classNames: ['ape', 'bee', 'cat', 'dog'] });
}

/** The numbers of a set's samples, as its pixels have them. */
async function contents(set: Dataset): Promise<number[]> {
  const { inputs } = await set.rows();
  return Array.from({ length: set.length }, (_, i) => inputs[i * 18]!);
}

describe('views', () => {
  test('subset takes positions in their order, of a view as well', async () => {
    const set = (await numbered()).subset([9, 3, 3, 0]);
    expect(await contents(set)).toEqual([9, 3, 3, 0]);
    expect(set.labels).toEqual(Int32Array.of(1, 3, 3, 0));
    expect(await contents(set.subset(Int32Array.of(3, 0)))).toEqual([0, 9]);
  });

  test('filter asks for each sample, and decodes nothing', async () => {
    const set = (await numbered()).subset([8, 7, 6, 5]);
    const seen: unknown[] = [];
    const kept = set.filter((sample) => seen.push(sample) > 2);
    expect(seen[1]).toEqual({ index: 1, label: 3, className: 'dog', file: undefined });
    expect(await contents(kept)).toEqual([6, 5]);
    expect(await contents(set.filter(({ className }) => className === 'cat'))).toEqual([6]);
    expect(kept.classNames).toEqual(['ape', 'bee', 'cat', 'dog']);
  });

  test('selectClasses numbers classes anew, in the order given; again on what it made', async () => {
    const set = await numbered();
    const two = set.selectClasses(['dog', 'bee']);
    expect(await contents(two)).toEqual([1, 3, 5, 7, 9, 11, 13, 15, 17, 19]);
    expect(two.classNames).toEqual(['dog', 'bee']);
    expect([...two.take(4).labels!]).toEqual([1, 0, 1, 0]);
    expect((await two.rows(0, 3)).targets).toEqual(Int32Array.of(1, 0, 1));
    const bees = two.selectClasses(['bee']).filter(({ index }) => index > 2);
    expect([await contents(bees), [...bees.labels!], bees.classNames]).toEqual([[13, 17], [0, 0], ['bee']]);
    expect(set.labels!.slice(0, 4)).toEqual(Int32Array.of(0, 1, 2, 3));
  });

  test('a network trained on selected classes is one trained on arrays of them, to the bit', async () => {
    const set = (await numbered(24)).selectClasses(['cat', 'bee']);
    const { inputs, targets } = await set.rows();
    const own = { images: inputs as Uint8Array, labels: targets as Int32Array, shape: [2, 3, 3] as const };
    const digests: string[] = [];
    for (const each of [set, await data.fromArrays({ ...own, classNames: ['cat', 'bee'] })]) {
      const model = nn.sequential(nn.flatten(), nn.linear(18, 2));
      const trainer = new Trainer(model, { loss: crossEntropy(), optimizer: optim.sgd({ lr: 0.1 }) });
      await trainer.fit(each, { epochs: 2, batchSize: 4, validation: each });
      expect(model.classNames).toEqual(['cat', 'bee']);
      digests.push(await weightsDigest(model));
    }
    expect(digests[0]).toBe(digests[1]);
  });

  test('sample draws by its seed, without repetition unless it is asked for', async () => {
    const set = await numbered();
    const five = await contents(set.sample(5));
    expect(new Set(five).size).toBe(5);
    expect(five).toEqual([...five].sort((a, b) => a - b));
    expect(await contents(set.sample(5, { seed: 0 }))).toEqual(five);
    expect(await contents(set.sample(5, { seed: 1 }))).not.toEqual(five);
    expect(await contents(set.sample(20))).toEqual(Array.from({ length: 20 }, (_, i) => i));
    const bootstrap = await contents(set.sample(200, { replace: true }));
    expect(bootstrap).toHaveLength(200);
    expect(new Set(bootstrap).size).toBe(20); // each of 20 is missing from 200 draws with probability 4e-5
  });

  test('sample stratified keeps the shares of classes', async () => {
    const uneven = (await numbered(40)).filter(({ index, label }) => label === 0 || index < 20); // 10, 5, 5, 5
    const counts = (set: Dataset): number[] => {
      const found = [0, 0, 0, 0];
      for (const label of set.labels!) found[label]!++;
      return found;
    };
    expect(counts(uneven.sample(5, { stratified: true }))).toEqual([2, 1, 1, 1]);
    expect(counts(uneven.sample(25, { stratified: true }))).toEqual([10, 5, 5, 5]);
    expect(counts(uneven.sample(7, { stratified: true, seed: 3 }))).toEqual([3, 2, 1, 1]); // 2.8, 1.4, 1.4, 1.4
    expect(counts(uneven.sample(50, { stratified: true, replace: true }))).toEqual([20, 10, 10, 10]);
  });

  test('what does not fit is refused', async () => {
    const set = await numbered();
    const numbers = await data.fromFeatures({
      inputs: [1, 2],
      shape: [1],
      targets: [3, 4],
      targetShape: [1],
    });
    const option = 'ERR_TENON_OPTION';
    const wrong = 'ERR_TENON_DATA';
    const calls: [() => unknown, string, string][] = [
      [() => set.subset([]), option, 'subset: expected positions such as [0, 5, 9], got []'],
      [() => set.subset([0, 20]), wrong, 'subset: there is no sample 20, there are 20'],
      [() => set.subset([0.5]), option, 'subset: position must be an integer of at least 0, got 0.5'],
      [() => set.subset(5 as never), option, 'subset: expected positions'],
      [() => set.filter(() => false), wrong, 'filter: none of the 20 samples is left'],
      [() => set.filter('cat' as never), option, 'filter: expected a function, got "cat"'],
      [() => set.selectClasses(['cow', 'cat']), option, 'there is no class "cow"'],
      [() => set.selectClasses(['dogs']), option, 'did you mean "dog"?'],
      [() => set.selectClasses(['cat', 'cat']), option, 'class "cat" is given twice'],
      [() => set.selectClasses([]), option, 'expected names of classes'],
      [() => set.take(2).selectClasses(['dog']), wrong, 'none of the 2 samples is of dog'],
      [() => numbers.selectClasses(['a']), option, 'are numbers, not classes'],
      [() => set.sample(21), wrong, 'sample: 21 samples of 20: only with replace: true'],
      [() => set.sample(0), option, 'sample: count must be'],
      [() => set.sample(2, { seeed: 1 } as never), option, 'did you mean "seed"?'],
      [() => set.sample(2, { replace: 1 as never }), option, 'replace must be true or false'],
      [() => numbers.sample(1, { stratified: true }), option, 'stratified is for sets with classes'],
      [() => set.rows(3, 3), wrong, 'rows: there are no samples from 3 to 3'],
      [() => set.rows(0, 21), wrong, 'rows: there is no sample 21'],
      [() => set.image(-1), option, 'image: position must be'],
      [() => numbers.image(0), wrong, 'image: this set is of features'],
      [() => numbers.label(0), wrong, 'label: the targets of this set are numbers'],
    ];
    for (const [call, code, message] of calls)
      expect(await failure(call)).toEqual({ code, message: expect.stringContaining(message) });
  });
});

describe('reading back', () => {
  const temp = useTempDir();

  test('images are pixels as decoded, by position and by range; files are named', async () => {
    for (const [i, name] of ['cat/a.png', 'cat/b.png', 'dog/c.png'].entries()) {
      const pixels = Uint8Array.from({ length: 12 }, (_, at) => 50 * i + at);
      const png = await sharp(pixels, { raw: { width: 2, height: 2, channels: 3 } })
        .png()
        .toBuffer();
      await temp.file(name, png);
    }
    const set = await data.folder({ dir: temp.path() });
    const last = { pixels: Uint8Array.from({ length: 12 }, (_, at) => 100 + at), shape: [2, 2, 3] };
    expect(await set.image(2)).toEqual({ ...last, label: 1, className: 'dog' });
    const { inputs, targets } = await set.subset([2, 0, 1]).rows(0, 2);
    expect([...inputs]).toEqual([...last.pixels, ...Array.from({ length: 12 }, (_, at) => at)]);
    expect(targets).toEqual(Int32Array.of(1, 0));
    expect(set.selectClasses(['dog']).file(0)).toBe(temp.path('dog/c.png'));
    expect((await set.filter(({ file }) => file!.endsWith('b.png')).image(0)).pixels[0]).toBe(50);
    expect(set.label(2)).toBe(1);
    await temp.file('dog/d.png', 'text');
    const error = await failure(async () => (await data.folder({ dir: temp.path() })).image(3));
    expect(error.code).toBe('ERR_TENON_FORMAT');
  });

  test('features and numeric targets come back as they went in', async () => {
    const inputs = Float32Array.from({ length: 3 * 12 }, (_, i) => i / 8);
    const options = { inputs, shape: [2, 2, 3], targets: [1, 2, 3, 4, 5, 6], targetShape: [2] };
    const set = await data.fromFeatures(options);
    expect(await set.subset([2, 1]).rows()).toEqual({
      inputs: Float32Array.from([...inputs.slice(24), ...inputs.slice(12, 24)]),
      targets: Float32Array.of(5, 6, 3, 4),
    });
  });
});

describe('checkpoints know which samples they are of', () => {
  test('another selection of as many samples is refused within an epoch; the same goes on to the bit', async () => {
    const set = (await someGlyphs()).sample(150, { seed: 1 });
    const options = { epochs: 1, batchSize: 32 };
    const whole = smallTrainer();
    await whole.fit(set, options);
    const dir = temporaryDirectory();
    const save = {
      onEvent: async (event: { type: string }, control: { saveCheckpoint(dir: string): Promise<string> }) => {
        if (event.type === 'done') await control.saveCheckpoint(dir);
      },
    };
    await smallTrainer().fit(set, { ...options, maxSteps: 2, callbacks: [save] });
    const other = (await someGlyphs()).sample(150, { seed: 2 });
    for (const wrong of [other, (await someGlyphs()).take(150)])
      expect(await failure(() => smallTrainer().fit(wrong, { ...options, resume: dir }))).toEqual({
        code: 'ERR_TENON_OPTION',
        message: expect.stringContaining('in the middle of an epoch over other samples'),
      });
    const again = smallTrainer();
    await again.fit((await someGlyphs()).sample(150, { seed: 1 }), { ...options, resume: dir });
    expect(await weightsDigest(again.model)).toBe(await weightsDigest(whole.model));
  });
});
