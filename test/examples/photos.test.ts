/**
 * examples/photos on photographs of many kinds: sizes, colour spaces, orientations, a broken file, copies.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { load, models } from '../../lib';
import { installExample } from '../support/example';
import { picture } from '../support/pictures';

const built = existsSync(join(__dirname, '..', '..', 'dist', 'index.mjs'));
const describeBuilt = built ? describe : describe.skip;
if (!built) console.warn('examples/photos is not run: dist/ is missing (npm run build:ts)');

/** A sun in the sky, or stripes of a field, behind clouds; as cameras, scanners and phones save them. */
async function shoot(file: string, kind: 'sun' | 'field', i: number): Promise<void> {
  const [width, height] = [80 + 13 * (i % 5), 70 + 11 * (i % 7)];
  const grey = `hsl(${kind === 'sun' ? 210 : 100}, 60%, ${40 + (i % 4) * 5}%)`;
  const parts =
    kind === 'sun'
      ? `<circle cx="${width / 2}" cy="${height / 2}" r="${18 + (i % 3) * 3}" fill="gold"/>`
      : Array.from(
          { length: 12 },
          (_, k) => `<rect x="${k * 12}" width="6" height="100%" fill="saddlebrown"/>`,
        ).join('');
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"><rect width="100%" height="100%" fill="${grey}"/>${parts}</svg>`;
  const clouds = await picture(40 * i + (kind === 'sun' ? 1 : 2), height, width)
    .ensureAlpha(0.4)
    .png()
    .toBuffer();
  let image = sharp(Buffer.from(svg))
    .composite([{ input: clouds }])
    .flatten()
    .jpeg();
  if (i % 6 === 1) image = image.withMetadata({ orientation: 6 });
  if (i % 6 === 3) image = image.toColourspace('cmyk');
  if (i % 6 === 5) image = image.toColourspace('b-w');
  await image.toFile(file);
}

describeBuilt('examples/photos', () => {
  jest.setTimeout(240_000);
  let folder: string;
  const run = (...args: string[]) => {
    const child = spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8' });
    return { out: child.stdout, error: child.stderr.trim(), code: child.status };
  };

  beforeAll(async () => {
    folder = installExample('photos');
    for (const [kind, count] of [
      ['sun', 30],
      ['field', 12],
    ] as const) {
      mkdirSync(join(folder, 'photos', kind), { recursive: true });
      for (let i = 0; i < count; i++) await shoot(join(folder, 'photos', kind, `${i}.jpg`), kind, i);
    }
    writeFileSync(join(folder, 'photos', 'sun', 'broken.jpg'), 'no JPEG');
    copyFileSync(join(folder, 'photos', 'sun', '0.jpg'), join(folder, 'photos', 'sun', 'copy.jpg'));
    const small = (i: number, to: string) =>
      sharp(join(folder, 'photos', 'sun', `${i}.jpg`))
        .resize(64)
        .jpeg({ quality: 50 })
        .toFile(join(folder, 'photos', to));
    await small(2, 'sun/small.jpg');
    await small(6, 'field/wrong.jpg');
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('learns without pretrained weights, and predicts', async () => {
    const { out, error, code } = run('train.mjs', 'photos', '--size', '32', '--epochs', '12');
    expect([error, code]).toEqual(['', 0]);
    expect(out).toMatch(/broken, left out: 1\n.*broken\.jpg: not a readable image/);
    expect(out).toMatch(/copies, left out: 1\n.*copy\.jpg = .*0\.jpg/);
    expect(out).toMatch(
      /look the same in several classes; is one in the wrong folder\?: 1\n.*wrong\.jpg = .*6\.jpg\n/,
    );
    expect(out).toMatch(/held out together or not at all: 1\n.*sun\/2\.jpg = .*small\.jpg\n/);
    expect(out).toMatch(/ {2}field: 13\n {2}sun: 31\nclasses are unbalanced/);
    expect(out).toMatch(/without --pretrained FILE/);
    expect(Number(/\naccuracy ([\d.]+)/.exec(out)?.[1])).toBeGreaterThanOrEqual(0.75);
    expect((await load(join(folder, 'photos.safetensors'))).classNames).toEqual(['field', 'sun']);

    const answers = run('predict.mjs', 'photos.safetensors', 'photos/sun/1.jpg', 'photos/sun/broken.jpg');
    expect(answers.out).toMatch(/^photos\/sun\/1\.jpg: (sun|field) \(0\.\d+|1\.00\)/);
    expect(answers.error).toMatch(/broken\.jpg: not a readable image/);
    expect(answers.code).toBe(1);
  });

  it('trains a new head for a pretrained network, and then the whole', async () => {
    await models.efficientnetLite0({ seed: 1 }).save(join(folder, 'lite0.safetensors'));
    const given = ['--pretrained', 'lite0.safetensors', '--size', '32', '--epochs', '1', '--out', 'two'];
    const { out, error, code } = run('train.mjs', 'photos', ...given);
    expect([error, code]).toEqual(['', 0]);
    expect(out).toMatch(
      /the head alone: accuracy [01]\.\d+ on[\s\S]*all layers, on 3[45] photographs; (9|10) are held out/,
    );
    const { preprocessing } = await load(join(folder, 'two'));
    expect(preprocessing).toMatchObject({ height: 32, width: 32 });
  });

  it('says what is wrong', async () => {
    expect(run('train.mjs')).toMatchObject({ code: 1, error: expect.stringMatching(/^usage/) as string });
    expect(run('train.mjs', 'nowhere').error).toMatch(/nowhere.*does not exist/);
    expect(run('train.mjs', 'photos', '--pretrained', 'none').error).toMatch(/none.*does not exist/);
    expect(run('train.mjs', 'photos', '--epochs', '0').error).toMatch(/epochs must be/);
    mkdirSync(join(folder, 'few', 'one'), { recursive: true });
    copyFileSync(join(folder, 'photos', 'sun', '0.jpg'), join(folder, 'few', 'one', '0.jpg'));
    expect(run('train.mjs', 'few').error).toMatch(/two classes at least/);
    for (const kind of ['one', 'two']) {
      mkdirSync(join(folder, 'few', kind), { recursive: true });
      for (const quality of [50, 60, 70, 80, 90, 95]) {
        const [from, to] = [
          join(folder, 'photos', 'sun', '4.jpg'),
          join(folder, 'few', kind, `${quality}.jpg`),
        ];
        await sharp(from).jpeg({ quality }).toFile(to);
      }
    }
    expect(run('train.mjs', 'few').error).toMatch(/five different photographs each/);
  });
});
