/** Workers run the built package, which `npm test` makes first. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type * as Tenon from '../../lib';

const root = join(__dirname, '..', '..');
const built = join(root, 'dist', 'index.js');
const itBuilt = existsSync(join(root, 'dist', 'augment', 'custom-worker.js')) ? it : it.skip;
// eslint-disable-next-line @typescript-eslint/no-require-imports -- skipped where it is not built
const tenon = (): typeof Tenon => require(built) as typeof Tenon;

const grainModule = join(__dirname, 'children', 'custom.mjs');
const dir = mkdtempSync(join(tmpdir(), 'tenon-custom-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** What the module does, as a function. */
function grain() {
  return tenon().augment.custom((pixels, { random }) => {
    for (let i = 0; i < pixels.length; i++) if (random.chance(0.05)) pixels[i] = random.below(256);
  });
}

async function glyphs() {
  return (await tenon().data.glyphs({ trainCount: 50, testCount: 1 })).train;
}

function trainer(custom: Tenon.augment.Augmentation): Tenon.Trainer {
  const { nn, losses, optim, augment, Trainer } = tenon();
  const model = nn.sequential(
    nn.conv2d(1, 2, { kernel: 5, stride: 3 }),
    nn.relu(),
    nn.flatten(),
    nn.linear(128, 10),
  );
  return new Trainer(model, {
    loss: losses.crossEntropy(),
    optimizer: optim.sgd({ lr: 0.05, momentum: 0.9 }),
    augment: [custom, augment.flip({ p: 0.1 })],
    seed: 5,
  });
}

/** A digest of all parameters. */
async function weights({ model }: Tenon.Trainer): Promise<string> {
  const hash = createHash('sha256');
  for (const parameter of model.parameters()) hash.update(new Float32Array(await parameter.data()));
  return hash.digest('hex');
}

/** The module, acting like this on sample 17. */
function acting(act: string): URL {
  return Object.assign(pathToFileURL(grainModule), { search: act });
}

itBuilt('any number of workers makes the bytes that the JavaScript thread makes', async () => {
  const { augment } = tenon();
  const set = await glyphs();
  const samples = [3, 11, 12, 30, 31, 47, 48];
  const images = await Promise.all(samples.map((sample) => set.image(sample)));
  const batch = { pixels: Buffer.concat(images.map(({ pixels }) => pixels)), shape: [7, 28, 28, 1] };
  const given = { pixels: new Uint8Array(batch.pixels), shape: batch.shape };
  const before = Uint8Array.from(given.pixels);
  const make = (custom: Tenon.augment.Augmentation) =>
    augment.apply([custom, augment.flip()], given, { seed: 2, epoch: 3, samples });
  const expected = await make(grain());
  expect(expected.pixels).not.toEqual(before);
  for (const workers of [1, 2, 3, 9])
    expect(await make(augment.custom(grainModule, { workers }))).toEqual(expected);
  expect(given.pixels).toEqual(before);
  const pair = [augment.custom(grainModule, { workers: 2, p: 0.5 }), grain()];
  const both = (list: Tenon.augment.Augmentation[], image: Tenon.augment.Pixels, of: readonly number[]) =>
    augment.apply(list, image, { seed: 2, samples: of });
  const together = await both(pair, given, samples);
  for (const [i, sample] of samples.entries()) {
    const alone = await both(pair, images[i]!, [sample]);
    expect(together.pixels.subarray(i * 784, (i + 1) * 784)).toEqual(alone.pixels);
  }
});

itBuilt(
  'training and a resume within an epoch have the same bits',
  async () => {
    const { augment, checkpoint } = tenon();
    const set = await glyphs();
    const fit = { epochs: 2, batchSize: 8 };
    const whole = trainer(grain());
    await whole.fit(set, fit);
    const apart = trainer(augment.custom(pathToFileURL(grainModule), { workers: 3 }));
    await apart.fit(set, fit);
    expect(await weights(apart)).toBe(await weights(whole));
    const begun = trainer(augment.custom(grainModule, { workers: 2 }));
    const folder = join(dir, 'run');
    await begun.fit(set, { ...fit, maxSteps: 9, callbacks: [checkpoint(folder, { everySteps: 9 })] });
    const resumed = trainer(augment.custom(grainModule));
    await resumed.fit(set, { ...fit, resume: folder });
    expect(await weights(resumed)).toBe(await weights(whole));
    const none = trainer(augment.custom(grainModule, { p: 0 }));
    await none.fit(set, fit);
    expect(await weights(none)).not.toBe(await weights(whole));
  },
  120_000,
);

itBuilt.each([
  ['throw', 'no such file'],
  ['shape', 'expected a Uint8Array of 28x28x1 = 784 bytes, got 783 bytes'],
  ['text', 'expected a Uint8Array of 28x28x1 = 784 bytes, got "pixels"'],
  ['exit', 'its worker exited with code 3'],
  ['loop', 'its worker got no further for 2000 ms'],
  ['wait', 'its worker got no further for 2000 ms'],
])('a worker ends the run before any step where it does this: %s', async (act, message) => {
  const timeoutMs = act === 'loop' || act === 'wait' ? 2000 : 60_000;
  const mine = tenon().augment.custom(acting(act), { workers: 2, name: 'mine', timeoutMs });
  const made = trainer(mine);
  made.model.initialize({ seed: 1 });
  const before = await weights(made);
  const set = await glyphs();
  const fit = Promise.resolve(made.fit(set, { epochs: 1, batchSize: 50 }));
  await expect(fit).rejects.toMatchObject({
    code: 'ERR_TENON_DATA',
    message: `augment: mine of ${acting(act).href}: sample 17: ${message}`,
  });
  expect(await weights(made)).toBe(before);
});

itBuilt.each([
  ['throws', 'throw new Error("no luck");', /cannot be used: no luck/],
  ['is not JavaScript', 'export default function (', /cannot be used: /],
  ['exports no function', 'export const x = 1;', /cannot be used: its default export is not a function/],
  ['exits', 'process.exit(4);', /its worker exited with code 4 before it had loaded the module/],
  [
    'waits for nothing',
    'await new Promise(() => {});',
    /its worker exited with code \d+ before it had loaded/,
  ],
  ['loops', 'for (;;);', /its worker got no further for 2000 ms before it had loaded the module/],
])('a module that %s', async (name, text, message) => {
  const file = join(dir, `${name.replaceAll(' ', '-')}.mjs`);
  writeFileSync(file, text);
  const { augment } = tenon();
  const timeoutMs = name === 'loops' ? 2000 : 60_000;
  const made = trainer(augment.custom(file, { timeoutMs }));
  const fit = Promise.resolve(made.fit(await glyphs(), { epochs: 1 }));
  const refused = expect(fit).rejects;
  await refused.toMatchObject({
    code: 'ERR_TENON_OPTION',
    message: expect.stringMatching(message) as unknown,
  });
  await expect(fit).rejects.toThrow(`augment: custom of file://${file} `);
});

itBuilt('an abort ends workers that would never end', async () => {
  const { augment } = tenon();
  const controller = new AbortController();
  const made = trainer(augment.custom(acting('loop'), { workers: 2 }));
  const fit = made.fit(await glyphs(), { epochs: 1, batchSize: 50, signal: controller.signal });
  setTimeout(() => controller.abort(), 300);
  await expect(Promise.resolve(fit)).rejects.toMatchObject({ code: 'ERR_TENON_ABORTED' });
});

/** What a script prints before its process ends by itself. */
function printed(script: string): string {
  const url = pathToFileURL(join(root, 'dist', 'index.mjs')).href;
  const whole = `import { augment, data, losses, nn, optim, Trainer } from ${JSON.stringify(url)};
    const file = ${JSON.stringify(grainModule)};
    const { train } = await data.glyphs({ trainCount: 4, testCount: 1 });
    ${script}`;
  return String(execFileSync(process.execPath, ['--input-type=module', '-e', whole], { timeout: 60_000 }));
}

itBuilt('a module runs on the JavaScript thread where it has no workers', () => {
  const script = `
    const make = (workers) => augment.apply([augment.custom(file, { workers })], image);
    const image = await train.image(2);
    const [here, there] = [await make(0), await make(1)];
    console.log(Buffer.compare(here.pixels, there.pixels), Buffer.compare(here.pixels, image.pixels) !== 0);`;
  expect(printed(script)).toBe('0 true\n');
});

itBuilt('idle workers do not keep the process alive', () => {
  const script = `
    const model = nn.sequential(nn.flatten(), nn.linear(784, 10));
    const trained = { loss: losses.crossEntropy(), optimizer: optim.sgd({ lr: 0.1 }) };
    const trainer = new Trainer(model, { ...trained, augment: [augment.custom(file, { workers: 3 })] });
    const onEvent = (event) => {
      if (event.type !== 'step') return;
      console.log('step');
      return new Promise(() => undefined);
    };
    trainer.fit(train, { epochs: 1, batchSize: 2, callbacks: [{ onEvent }] }).then(() => console.log('end'));`;
  expect(printed(script)).toBe('step\n');
});

describe('at the call', () => {
  const { augment } = jest.requireActual<typeof Tenon>('../../lib');
  it.each<[string, () => unknown, string]>([
    [
      'a missing module',
      () => augment.custom('./none.mjs'),
      "the function's module ./none.mjs does not exist",
    ],
    ['a module on the web', () => augment.custom(new URL('https://a.b/c.mjs')), 'must be a module in a file'],
    ['a URL of another host', () => augment.custom('file://host/c.mjs'), 'must be a module in a file'],
    [
      'too many workers',
      () => augment.custom(grainModule, { workers: 257 }),
      'workers must be a whole number from 0 to 256, got 257',
    ],
    ['no time', () => augment.custom(grainModule, { timeoutMs: 0 }), 'timeoutMs must be a number from 1'],
    [
      'workers for a function',
      () => augment.custom((x) => x, { workers: 2 } as never),
      'for workers, pass the path of a module',
    ],
  ])('%s', (_, make, message) => {
    expect(make).toThrow(
      expect.objectContaining({
        code: 'ERR_TENON_OPTION',
        message: expect.stringContaining(message) as unknown,
      }) as Error,
    );
  });
});
