/**
 * Options of `tenon train` for regularization: what they make of a network, and that a resumed run has them.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { NETWORKS } from '../../lib/cli/networks';
import { setNoise } from '../../lib/cli/regularization-flags';
import * as nn from '../../lib/nn';
import { temporaryDirectory, tenon, type Result } from './support';

const dir = temporaryDirectory();

function train(out: string, ...args: (string | number)[]): Promise<Result> {
  const fixed = ['--dataset', 'glyphs', '--validation', 0.95, '--schedule', 'constant', '--json'];
  return tenon('train', '--out', join(dir, out), ...fixed, ...args);
}

const recipeOf = (out: string): unknown => JSON.parse(readFileSync(join(dir, out, 'run.json'), 'utf8'));
const bytesOf = (out: string): Buffer => readFileSync(join(dir, out, 'model.safetensors'));

describe('the noise of a network', () => {
  const none = { dropout: null, stochasticDepth: null };

  it('is set in its dropout layers and residual blocks', () => {
    const lenet = NETWORKS.vggs.make([3, 32, 32], 10);
    setNoise({ ...none, model: 'vggs', dropout: 0.125 }, lenet);
    const layers = [...lenet.namedModules().values()].filter((m) => m instanceof nn.Dropout);
    expect(layers.length).toBeGreaterThan(0);
    for (const { p } of layers) expect(p).toBe(0.125);
    const resnet = NETWORKS.resnet20.make([3, 32, 32], 10);
    setNoise({ ...none, model: 'resnet20', stochasticDepth: 0.9 }, resnet);
    const depths = [...resnet.namedModules().values()].flatMap((m) =>
      m instanceof nn.BasicBlock ? [m.stochasticDepth] : [],
    );
    expect(depths).toEqual(Array.from({ length: 9 }, (_, i) => ((i + 1) / 9) * 0.9));
  });

  it('is refused by networks without such layers', async () => {
    const mlp = await train('mlp', '--model', 'mlp', '--dropout', 0.5);
    expect(mlp).toMatchObject({ code: 2 });
    expect(mlp.out + mlp.err).toContain('--dropout: --model mlp has no dropout layers');
    const deep = await train('mlp', '--model', 'mlp', '--stochastic-depth', 0.5);
    expect(deep.out + deep.err).toContain('--stochastic-depth: --model mlp has no residual blocks');
    const bad = await train('mlp', '--dropout', 1.5);
    expect(bad.out + bad.err).toContain('--dropout must be');
    const limit = await train('mlp', '--max-norm', 0);
    expect(limit.out + limit.err).toContain('--max-norm must be');
  });
});

it('penalties and limits are trained with, recorded and resumed', async () => {
  const given = ['--model', 'mlp', '--l1', 1e-4, '--l2', 1e-3, '--max-norm', 0.75];
  const whole = await train('whole', '--epochs', 2, ...given);
  const [first, second] = whole.lines.filter(({ event }) => event === 'epoch') as { penalty: number }[];
  expect(first!.penalty).toBeGreaterThan(0.01);
  expect(second!.penalty).not.toBe(first!.penalty);
  await train('part', '--epochs', 1, ...given);
  expect(recipeOf('part')).toMatchObject({ l1: 1e-4, l2: 1e-3, maxNorm: 0.75 });
  const resumed = await tenon('train', '--resume', join(dir, 'part'), '--epochs', 2, '--json');
  expect(resumed.code).toBe(0);
  expect(bytesOf('part').equals(bytesOf('whole'))).toBe(true);
  const model = await nn.load(join(dir, 'whole', 'model.safetensors'));
  for (const [name, parameter] of model.namedParameters()) {
    if (!name.endsWith('weight')) continue;
    const [rows, columns] = parameter.shape as [number, number];
    const values = await parameter.data();
    for (let row = 0; row < rows; row++)
      expect(Math.hypot(...values.slice(row * columns, (row + 1) * columns))).toBeLessThan(0.75 + 1e-5);
  }
  const plain = await train('plain', '--epochs', 2, '--model', 'mlp', '--max-norm', 0.75);
  expect(plain.lines[1]).toMatchObject({ event: 'epoch', penalty: null });
  expect(bytesOf('plain').equals(bytesOf('whole'))).toBe(false);
});

it('the model file keeps the noise that a network was trained with', async () => {
  const network = NETWORKS.cifar_resnet20.make([3, 32, 32], 10).initialize({ seed: 1 });
  setNoise({ model: 'cifar_resnet20', dropout: null, stochasticDepth: 0.4 }, network);
  const model = await nn.load(await network.toBuffer());
  const blocks = [...model.namedModules().values()].filter((m) => m instanceof nn.CifarBlock);
  expect(blocks.at(-1)!.stochasticDepth).toBe(0.4);
});
