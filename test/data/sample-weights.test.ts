import { compile } from '../../lib/compile/compile';
import { concat, fromFeatures, type Dataset } from '../../lib/data';
import { tensor } from '../../lib/tensor/tensor';

async function numbered(length: number): Promise<Dataset> {
  const inputs = Float32Array.from({ length }, (_, i) => i);
  return fromFeatures({ inputs, shape: [1], targets: Array.from({ length }, (_, i) => i % 3) });
}

const listOf = (data: Dataset): number[] | undefined => data.weights && [...data.weights];

test('views keep the weights of their samples', async () => {
  const data = (await numbered(6)).withWeights([0, 1, 2, 3, 4, 5]);
  expect(listOf(data)).toEqual([0, 1, 2, 3, 4, 5]);
  expect(listOf(data.subset([4, 1, 4]))).toEqual([4, 1, 4]);
  expect(listOf(data.take(2))).toEqual([0, 1]);
  expect(listOf(data.filter(({ index }) => index > 3))).toEqual([4, 5]);
  expect(listOf(data.selectClasses(['2', '1']))).toEqual([1, 2, 4, 5]);
  const [a, b] = data.split([3, 3], { seed: 1 });
  expect([...listOf(a)!, ...listOf(b)!].sort()).toEqual([0, 1, 2, 3, 4, 5]);
  expect(listOf(data.subset([5, 0]).withWeights([7, 8]))).toEqual([7, 8]);
  expect((await numbered(3)).weights).toBeUndefined();
});

test('concat joins them, with 1 where a set has none', async () => {
  const one = (await numbered(3)).take(2).withWeights([3, 4]);
  expect(listOf(await concat([one, await numbered(3)]))).toEqual([3, 4, 1, 1, 1]);
  expect((await concat([await numbered(4), await numbered(4)])).weights).toBeUndefined();
  await expect(concat([one, one.withWeights([3, 5])])).rejects.toThrow(
    'the sample at position 3 comes more than once in the set, with weights 4 and 5',
  );
});

test('a batch takes those of its rows', async () => {
  const data = (await numbered(6)).subset([5, 3, 1]).withWeights(Float64Array.of(0.5, 0.25, 2));
  const rows = data.rowsAt(Int32Array.of(2, 0, 0));
  const step = compile(() => data.batch({ index: tensor(rows) }, data.plainRecipe({ mean: [], std: [] })));
  const { inputs, weights } = await step();
  expect([...(await inputs.data())]).toEqual([1, 5, 5]);
  expect([...(await weights!.data())]).toEqual([2, 0.5, 0.5]);
});

test('weights change the fingerprint', async () => {
  const data = await numbered(4);
  const prints = [data, data.withWeights([1, 1, 1, 1]), data.withWeights([1, 1, 1, 2])];
  expect(new Set(prints.map(({ fingerprint }) => fingerprint)).size).toBe(3);
  expect(data.withWeights([1, 1, 1, 2]).fingerprint).toBe(prints[2]!.fingerprint);
});

test('bad weights are refused', async () => {
  const data = await numbered(3);
  const refused = (weights: unknown): (() => unknown) => {
    return () => data.withWeights(weights as number[]);
  };
  expect(refused([1, 2])).toThrow('withWeights: 2 weights for 3 samples');
  expect(refused([1, 2, -3])).toThrow('weights[2] must be a finite number of at least 0, got -3');
  expect(refused([1, 2, Infinity])).toThrow('weights[2] must be a finite number');
  expect(refused([1, 2, 1e300])).toThrow('weights[2] is too large for a float of 32 bits');
  expect(refused([0, 0, 0])).toThrow('weights must have a finite sum above 0, theirs is 0');
  expect(refused('abc')).toThrow('weights must be a list of numbers, got "abc"');
  expect(refused(undefined)).toThrow('weights must be a list of numbers, got undefined');
  expect(() => data.subset([0, 0]).withWeights([1, 2])).toThrow('comes more than once');
});
