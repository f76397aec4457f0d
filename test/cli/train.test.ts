import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { namesOf } from '../../lib/cli/names';
import { optimizers } from '../../lib/optim';
import { SCHEDULES } from '../../lib/cli/schedules';
import * as drawing from '../../lib/data/glyphs';
import type { ImageSource } from '../../lib/data/source';
import { itBuilt, main, temporaryDirectory, tenon, type Result } from './support';

/** A quarter of the embedded set: drawing it takes longer than an epoch on it. */
const COUNTS = { train: 3000, validation: 500, test: 500 };
// Each split is drawn once.
const { glyphs: draw, drawGlyph, glyphLabel } = drawing;
const drawn = new Map<string, Promise<ImageSource>>();
jest.spyOn(drawing, 'glyphs').mockImplementation((split, options) => {
  const key = JSON.stringify([split, options]);
  const source = drawn.get(key) ?? draw(split, { count: COUNTS[split], ...options });
  drawn.set(key, source);
  return source;
});

const dir = temporaryDirectory();
const EPOCH_FIELDS = [
  'epoch',
  'trainLoss',
  'trainAccuracy',
  'penalty',
  'validationLoss',
  'validationAccuracy',
  'imagesPerSecond',
  'dataWaitMs',
  'learningRate',
];

function train(out: string, ...args: (string | number)[]): Promise<Result> {
  const settings = ['--model', 'mlp', '--epochs', 3, '--batch-size', 32];
  return tenon('train', ...settings, '--out', out, '--json', ...args);
}

function bytesOf(out: string): Buffer {
  return readFileSync(join(out, 'model.safetensors'));
}

/** The losses in history.jsonl, an epoch each. */
function lossesOf(out: string): number[] {
  const lines = readFileSync(join(out, 'history.jsonl'), 'utf8').trimEnd().split('\n');
  return lines.map((line) => (JSON.parse(line) as { trainLoss: number }).trainLoss);
}

/** Makes run.json what earlier versions wrote: they did not say whether the run is finished. */
function makeEarlier(out: string): void {
  const file = join(out, 'run.json');
  const {
    finished,
    checksum: _,
    ...recipe
  } = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
  expect(typeof finished).toBe('boolean');
  writeFileSync(file, JSON.stringify(recipe));
}

/** Glyphs as PNG files; their classes. */
async function drawFiles(folder: string, count: number): Promise<{ files: string[]; classes: string[] }> {
  mkdirSync(folder, { recursive: true });
  const files: string[] = [];
  const classes: string[] = [];
  for (let i = 0; i < count; i++) {
    const bytes = new Uint8Array(28 * 28);
    drawGlyph(0, 'test', i, bytes);
    const file = join(folder, `${i}.png`);
    await sharp(bytes, { raw: { width: 28, height: 28, channels: 1 } })
      .png()
      .toFile(file);
    files.push(file);
    classes.push(String(glyphLabel(i)));
  }
  return { files, classes };
}

/** A run of three epochs, which others are held against. */
const whole = join(dir, 'whole');
let result: Result;

beforeAll(async () => {
  result = await train(whole);
});

describe('tenon train', () => {
  it('prints a line a thing, and exits with 0', () => {
    expect(result.err).toBe('');
    expect(result.code).toBe(0);
    expect(result.lines.map((line) => line['event'])).toEqual(['start', 'epoch', 'epoch', 'epoch', 'done']);
    for (const field of EPOCH_FIELDS.filter((name) => name !== 'penalty'))
      expect(typeof result.lines[1]?.[field]).toBe('number');
    // Nothing is added to the loss without --l1 and --l2.
    expect(result.lines[1]?.['penalty']).toBeNull();
    expect(result.lines[4]?.['testAccuracy']).toBeGreaterThan(0.7);
    expect(result.lines[4]?.['model']).toBe(join(whole, 'model.safetensors'));
  });

  it('leaves the model, the history, the recipe and checkpoints', () => {
    expect(readdirSync(whole).sort()).toEqual([
      'checkpoints',
      'history.jsonl',
      'model.safetensors',
      'run.json',
    ]);
    const history = readFileSync(join(whole, 'history.jsonl'), 'utf8').trimEnd().split('\n');
    const epochs = history.map((line) => ({ event: 'epoch', ...(JSON.parse(line) as object) }));
    expect(epochs).toEqual(result.lines.slice(1, 4));
  });

  it('gives the same model again, whatever the threads', async () => {
    const again = join(dir, 'again');
    await train(again, '--threads', 1);
    expect(bytesOf(again).equals(bytesOf(whole))).toBe(true);
  });

  it('may replace a finished run', async () => {
    const replaced = join(dir, 'replaced');
    await train(replaced, '--epochs', 1);
    expect((await train(replaced, '--epochs', 1)).code).toBe(0);
    makeEarlier(replaced);
    expect((await train(replaced, '--epochs', 1)).code).toBe(0);
  });

  it('is evaluated to the same accuracy', async () => {
    const { code, lines } = await tenon(
      'evaluate',
      '--model-file',
      join(whole, 'model.safetensors'),
      '--json',
    );
    expect(code).toBe(0);
    expect(lines.at(-1)).toMatchObject({
      event: 'done',
      accuracy: result.lines[4]?.['testAccuracy'],
      images: COUNTS.test,
    });
  });

  it('is evaluated by class', async () => {
    const model = join(whole, 'model.safetensors');
    const { code, lines } = await tenon('evaluate', '--model-file', model, '--report', '--json');
    expect(code).toBe(0);
    const { accuracy, top5, report } = lines.at(-1) as {
      accuracy: number;
      top5: number;
      report: {
        classes: Record<string, number | string>[];
        macro: object;
        weighted: { recall: number };
        matrix: number[][];
      };
    };
    expect(report.classes.map((c) => c['class'])).toEqual(Array.from({ length: 10 }, (_, i) => String(i)));
    const hits = report.matrix.reduce((n, row, i) => n + row[i]!, 0);
    expect(hits / COUNTS.test).toBe(accuracy);
    expect(report.weighted.recall).toBeCloseTo(accuracy, 12);
    expect(report.classes.reduce((n, c) => n + (c['support'] as number), 0)).toBe(COUNTS.test);
    expect(top5).toBeGreaterThanOrEqual(accuracy);
    expect(top5).toBeLessThanOrEqual(1);

    const text = (await tenon('evaluate', '--model-file', model, '--report')).out.split('\n');
    expect(text[0]).toMatch(/^500 images: loss \d+\.\d{4}, accuracy \d+\.\d\d%, top-5 \d+\.\d\d%$/);
    expect(text[2]).toMatch(/^class +precision +recall +f1 +images$/);
    const zero = report.classes[0]!;
    const cells = ['0', ...['precision', 'recall', 'f1'].map((key) => (zero[key] as number).toFixed(4))];
    expect(text[3]!.split(/ +/)).toEqual([...cells, String(zero['support'])]);
    expect(text.at(-2)!.split(/ +/)).toEqual(['9', ...report.matrix[9]!.map(String)]);
    expect((await tenon('evaluate', '--model-file', model)).out.split('\n')).toEqual([text[0], '']);
  });

  it('predicts image files', async () => {
    const { files, classes } = await drawFiles(join(dir, 'pngs'), 70);
    const model = join(whole, 'model.safetensors');
    const { code, lines } = await tenon('predict', '--model-file', model, '--json', '--top', 3, ...files);
    expect(code).toBe(0);
    const predictions = lines.slice(0, -1);
    expect(predictions.map((line) => line['image'])).toEqual(files);
    const right = predictions.filter((line, i) => line['class'] === classes[i]).length;
    expect(right).toBeGreaterThan(45);
    for (const line of predictions) {
      const top = line['top'] as { class: string; probability: number }[];
      expect(top).toHaveLength(3);
      expect(top[0]).toEqual({ class: line['class'], probability: line['probability'] });
    }
    expect(lines.at(-1)).toEqual({ event: 'done', images: 70, failed: 0 });
  });

  it('predicts the good images beside a bad one, and exits with 1', async () => {
    const { files } = await drawFiles(join(dir, 'mixed'), 2);
    const bad = join(dir, 'mixed', 'bad.png');
    writeFileSync(bad, 'no image');
    const model = join(whole, 'model.safetensors');
    const {
      code,
      out: text,
      err,
    } = await tenon('predict', '--model-file', model, files[0] ?? '', bad, files[1] ?? '');
    expect(code).toBe(1);
    expect(text.trimEnd().split('\n')).toHaveLength(2);
    expect(err).toMatch(/^tenon: .*bad\.png: not a readable image[^\n]*\n$/);
  });

  it('shows the result to people', async () => {
    const { out: text } = await tenon('train', '--model', 'mlp', '--epochs', 1, '--out', join(dir, 'people'));
    expect(text).toMatch(/^data {3}glyphs: 2850 \+ 150 \+ 500 images of 1x28x28/m);
    expect(text).toMatch(/^epoch 1\/1 /m);
    expect(text).toMatch(/it is a \d, read as \d/);
    expect(text).toMatch(/^test accuracy \d+\.\d\d%$/m);
  });
});

describe('every optimizer and every schedule', () => {
  // Each at least once; the shorter list begins again.
  const names = namesOf(optimizers);
  it.each(namesOf(SCHEDULES).map((schedule, i) => [names[i % names.length]!, schedule] as const))(
    '%s with %s learns',
    async (optimizer, schedule) => {
      const out = join(dir, `${optimizer}-${schedule}`);
      const { code, err, lines } = await train(
        out,
        '--epochs',
        1,
        '--optimizer',
        optimizer,
        '--schedule',
        schedule,
      );
      expect([code, err]).toEqual([0, '']);
      expect(lines[0]).toMatchObject({ optimizer, schedule });
      expect(lines.at(-1)!['testAccuracy']).toBeGreaterThan(0.3);
    },
  );
});

describe('two runs into one directory', () => {
  it('one is refused, whether it begins or resumes, and the other ends with the same bits', async () => {
    const out = join(dir, 'shared');
    const both = await Promise.all([train(out), train(out)]);
    expect(both.map(({ code }) => code).sort()).toEqual([0, 1]);
    const refused = both.find(({ code }) => code === 1)!;
    expect(refused.lines).toEqual([
      expect.objectContaining({
        code: 'ERR_TENON_BUSY',
        message: expect.stringContaining(`${out} is in use`),
      }),
    ]);
    expect(bytesOf(out).equals(bytesOf(whole))).toBe(true);
    expect(lossesOf(out)).toEqual(lossesOf(whole));
    const resume = (): Promise<Result> => tenon('train', '--resume', out, '--epochs', 4, '--json');
    const resumed = await Promise.all([resume(), resume()]);
    expect(resumed.map(({ code }) => code).sort()).toEqual([0, 1]);
    expect(lossesOf(out)).toHaveLength(4);
    expect(readdirSync(out).sort()).toEqual([
      'checkpoints',
      'history.jsonl',
      'model.safetensors',
      'run.json',
    ]);
  });

  it('a run whose data is not there leaves no directory', async () => {
    const out = join(dir, 'nothing');
    const { code } = await tenon('train', '--dataset', 'mnist', '--data', join(dir, 'no'), '--out', out);
    expect([code, existsSync(out)]).toEqual([1, false]);
  });
});

describe('an interrupted run', () => {
  /** Raises a signal in a run, a new one unless another is given, once `epochs` epochs are over. */
  async function interrupted(
    out: string,
    signal: 'SIGINT' | 'SIGTERM',
    epochs: number,
    run = train(out),
  ): Promise<Result> {
    const history = join(out, 'history.jsonl');
    const done = (): number =>
      existsSync(history) ? readFileSync(history, 'utf8').split('\n').length - 1 : -1;
    while (done() < epochs) await new Promise((resolve) => setTimeout(resolve, 1));
    process.emit(signal);
    return run;
  }

  it.each([
    ['SIGINT', 130, 0],
    ['SIGTERM', 143, 1],
  ] as const)('%s: saves, exits with %i, and resumes to the same bits', async (signal, code, epochs) => {
    const out = join(dir, `part-${signal}`);
    const part = await interrupted(out, signal, epochs);
    expect(part.code).toBe(code);
    expect(part.lines.at(-1)?.['event']).not.toBe('done');
    expect(part.err).toContain(`${signal}: stopping after this step`);
    expect(existsSync(join(out, 'model.safetensors'))).toBe(false);
    const resumed = await tenon('train', '--resume', out, '--json');
    expect(resumed.code).toBe(0);
    expect(bytesOf(out).equals(bytesOf(whole))).toBe(true);
    expect(lossesOf(out)).toEqual(lossesOf(whole));
  });

  it('is not overwritten, nor continued as another run', async () => {
    const out = join(dir, 'unfinished');
    await interrupted(out, 'SIGINT', 1);
    const again = await train(out);
    expect(again.code).toBe(2);
    expect(again.lines[0]?.['message']).toContain(`continue with --resume ${out}`);
    const other = await tenon('train', '--resume', out, '--lr', '0.5');
    expect(other.err).toBe(
      'tenon: --lr 0.5: the run that is resumed was started with 0.001; leave the option out\n',
    );
    expect(other.code).toBe(2);
    makeEarlier(out);
    expect((await train(out)).code).toBe(2);
  });

  it('is not overwritten where it extends a finished one, whose model stays until the end', async () => {
    const out = join(dir, 'extended');
    await train(out, '--epochs', 1);
    const model = bytesOf(out);
    await interrupted(out, 'SIGINT', 2, tenon('train', '--resume', out, '--epochs', 3, '--json'));
    expect(bytesOf(out).equals(model)).toBe(true);
    const again = await train(out, '--epochs', 1);
    expect([again.code, again.lines[0]?.['message']]).toEqual([2, expect.stringContaining('--resume')]);
    // By another path it is the same run, which goes on in its place.
    expect((await tenon('train', '--resume', out, '--out', `${out}/.`, '--json')).code).toBe(0);
    expect(lossesOf(out)).toHaveLength(3);
    expect(bytesOf(out).equals(model)).toBe(false);
    expect((await train(out, '--epochs', 1)).code).toBe(0);
  });

  it('is not overwritten by one that is continued from another directory', async () => {
    const out = join(dir, 'kept');
    await interrupted(out, 'SIGINT', 1, train(out, '--seed', 1));
    const state = (): unknown[] => [
      readdirSync(out, { recursive: true }).sort(),
      readFileSync(join(out, 'run.json'), 'utf8'),
      readFileSync(join(out, 'history.jsonl'), 'utf8'),
    ];
    const before = state();
    const other = await tenon('train', '--resume', whole, '--epochs', 4, '--out', out, '--json');
    expect(other.code).toBe(2);
    expect(other.lines[0]?.['message']).toContain(`continue with --resume ${out}`);
    expect(state()).toEqual(before);
  });

  it('continues into another directory, from where it was even if stopped before its first step', async () => {
    const [out, next] = [join(dir, 'first'), join(dir, 'second')];
    await interrupted(out, 'SIGINT', 1);
    const stopped = tenon('train', '--resume', out, '--out', next, '--json');
    process.emit('SIGINT');
    expect((await stopped).code).toBe(130);
    const { code, err } = await tenon('train', '--resume', next, '--json');
    expect([code, err]).toEqual([0, '']);
    expect(bytesOf(next).equals(bytesOf(whole))).toBe(true);
    expect(lossesOf(next)).toEqual(lossesOf(whole));
    expect(existsSync(join(out, 'model.safetensors'))).toBe(false);
  });

  describe('with --auto-resume', () => {
    const again = (out: string, ...args: (string | number)[]): Promise<Result> =>
      train(out, '--auto-resume', ...args);

    it('one command begins a run, continues it, and leaves it as it is once it is finished', async () => {
      const out = join(dir, 'one-command');
      const begun = await interrupted(out, 'SIGTERM', 1, again(out));
      expect([begun.code, begun.lines[0]]).toEqual([143, expect.objectContaining({ resumed: false })]);
      for (const first of [2, undefined]) {
        const { code, lines } = await again(out);
        expect(code).toBe(0);
        expect(lines[0]).toMatchObject({ event: 'start', resumed: true, out });
        expect(lines.find(({ event }) => event === 'epoch')?.['epoch']).toBe(first);
        expect(lines.at(-1)).toMatchObject({ event: 'done', testAccuracy: expect.any(Number) });
        expect(bytesOf(out).equals(bytesOf(whole))).toBe(true);
        expect(lossesOf(out)).toEqual(lossesOf(whole));
      }
    });

    it('begins anew where a run was killed before its first checkpoint', async () => {
      const out = join(dir, 'no-checkpoint');
      await again(out, '--epochs', 1);
      rmSync(join(out, 'checkpoints'), { recursive: true });
      const { code, err } = await again(out, '--epochs', 1);
      expect([code, err]).toEqual([0, expect.stringContaining('no checkpoint yet: starting from the')]);
    });

    it('refuses other settings than those of the run, which stays', async () => {
      const out = join(dir, 'other-settings');
      await again(out, '--epochs', 1);
      const model = bytesOf(out);
      const { code, lines } = await again(out, '--epochs', 1, '--lr', 0.5);
      expect([code, lines[0]?.['message']]).toEqual([
        2,
        expect.stringContaining('--lr 0.5: the run that is'),
      ]);
      expect(bytesOf(out).equals(model)).toBe(true);
    });

    it('needs --out, and no --resume beside it', async () => {
      const alone = await tenon('train', '--auto-resume');
      expect([alone.code, alone.err]).toEqual([2, expect.stringContaining('--auto-resume needs --out DIR')]);
      const both = await again(join(dir, 'both'), '--resume', whole);
      expect([both.code, both.lines[0]?.['message']]).toEqual([2, expect.stringContaining('choose one')]);
    });
  });

  it('keeps a history that cannot be read', async () => {
    const out = join(dir, 'unreadable');
    await train(out, '--epochs', 1);
    const history = join(out, 'history.jsonl');
    rmSync(history);
    mkdirSync(history);
    const { code, err } = await tenon('train', '--resume', out, '--epochs', 2);
    expect(err).toContain(`${history} cannot be read`);
    expect(code).toBe(1);
  });

  itBuilt('is saved where nobody reads any more what it says', async () => {
    const out = join(dir, 'unread');
    const child = spawn(process.execPath, [
      main,
      'train',
      '--model',
      'mlp',
      '--epochs',
      '1000',
      '--out',
      out,
    ]);
    try {
      let said = '';
      for await (const text of child.stdout) if ((said += String(text)).includes('epoch 1/')) break;
      child.stdout.destroy();
      child.stderr.destroy();
      child.kill('SIGTERM');
      expect(await once(child, 'exit')).toEqual([143, null]);
    } finally {
      child.kill('SIGKILL');
    }
    const [line = ''] = readFileSync(join(out, 'history.jsonl'), 'utf8').split('\n');
    const { step } = JSON.parse(line) as { step: number };
    const latest = readFileSync(join(out, 'checkpoints', 'latest'), 'utf8').trimEnd();
    expect(latest).not.toBe(`checkpoint-${step}`);
  });
});

describe('an image folder', () => {
  const root = join(dir, 'folder');

  beforeAll(async () => {
    for (const split of ['train', 'test']) {
      for (const [name, red] of [['blue', 20] as const, ['red', 220] as const]) {
        const folder = join(root, split, name);
        mkdirSync(folder, { recursive: true });
        for (let i = 0; i < 24; i++) {
          const background = { r: red + (i % 10), g: 40, b: 240 - red };
          await sharp({ create: { width: 30 + i, height: 40, channels: 3, background } })
            .jpeg()
            .toFile(join(folder, `${i}.jpg`));
        }
      }
    }
  });

  it('of differing sizes is trained on, evaluated and predicted', async () => {
    const out = join(dir, 'colours');
    const from = ['--dataset', 'folder', '--data', root];
    const args = [
      ...from,
      '--image-size',
      16,
      '--model',
      'mlp',
      '--epochs',
      8,
      '--batch-size',
      8,
      '--out',
      out,
      '--json',
    ];
    const { code, lines } = await tenon('train', ...args);
    expect(code).toBe(0);
    expect(lines.at(-1)).toMatchObject({ testAccuracy: 1 });
    const model = join(out, 'model.safetensors');
    const evaluation = await tenon('evaluate', '--model-file', model, ...from, '--json');
    expect(evaluation.lines.at(-1)).toMatchObject({ accuracy: 1, images: 48 });
    const prediction = await tenon('predict', '--model-file', model, join(root, 'test', 'red', '3.jpg'));
    expect(prediction.out).toMatch(/3\.jpg {2}red \d+\.\d\d%\n$/);
  });

  it('of more than 64 pixels is brought to squares of 64 by default, as run.json says', async () => {
    const photos = join(dir, 'photos');
    for (const [name, red] of [['blue', 20] as const, ['red', 220] as const]) {
      const folder = join(photos, 'train', name);
      mkdirSync(folder, { recursive: true });
      for (let i = 0; i < 4; i++)
        await sharp({
          create: { width: 70 + 9 * i, height: 90, channels: 3, background: { r: red, g: i, b: 9 } },
        })
          .png()
          .toFile(join(folder, `${i}.png`));
    }
    const out = join(dir, 'of-photos');
    const sized = async (...more: (string | number)[]): Promise<unknown> => {
      const options = ['--validation', 0, '--epochs', 1, '--out', out, ...more];
      const { code } = await tenon('train', '--dataset', 'folder', '--data', photos, ...options);
      expect(code).toBe(0);
      return (JSON.parse(readFileSync(join(out, 'run.json'), 'utf8')) as Record<string, unknown>).imageSize;
    };
    expect(await sized('--model', 'mlp')).toBe(64);
    expect(await sized('--model', 'lenet', '--image-size', 20)).toBe(20);
  });

  it('of at most 64 pixels keeps its size, which must be one', async () => {
    const { code, err } = await tenon(
      'train',
      '--dataset',
      'folder',
      '--data',
      root,
      '--out',
      join(dir, 'small'),
    );
    expect(code).toBe(1);
    expect(err).toContain('to resize images of differing sizes');
  });
});

describe('--early-stopping', () => {
  it('ends the run, keeps the best epoch, and is recorded for a resume', async () => {
    const out = join(dir, 'stopping');
    // Nothing improves by as much as 9.
    const stopping = ['--early-stopping', '--patience', 2, '--min-delta', 9, '--smoothing', 0.5];
    const { lines, code } = await train(out, '--epochs', 6, ...stopping);
    expect(code).toBe(0);
    expect(lines.map((line) => line['event'])).toEqual(['start', 'epoch', 'epoch', 'epoch', 'done']);
    const value = lines[1]?.['validationLoss'];
    const best = { metric: 'validationLoss', epoch: 1, value, smoothed: value };
    expect(lines.at(-1)).toMatchObject({ stopped: 'earlyStopping', best });
    const kept = { earlyStopping: 'validationLoss', patience: 2, minDelta: 9, smoothing: 0.5 };
    expect(JSON.parse(readFileSync(join(out, 'run.json'), 'utf8'))).toMatchObject(kept);
    const again = await tenon('train', '--resume', out, '--json');
    expect(again.lines.at(-1)).toMatchObject({ stopped: 'earlyStopping', best });
    const one = join(dir, 'stopping-one');
    await train(one, '--epochs', 6, ...stopping.slice(0, 1), '--patience', 1, '--min-delta', 9);
    expect(bytesOf(one).equals(bytesOf(out))).toBe(true);
    const other = await tenon('train', '--resume', out, '--smoothing', 0.25);
    expect(other.err).toContain('--smoothing 0.25: the run that is resumed was started with 0.5');
    const text = await tenon('train', '--resume', out);
    expect(text.out).toMatch(
      /earlyStopping after epoch 3: the best validationLoss is \d\.\d{4}, of epoch 1\n/,
    );
  });

  it('may have more patience when it is resumed, as if from the beginning', async () => {
    const [short, long] = [join(dir, 'impatient'), join(dir, 'patient')];
    const stopping = ['--epochs', 7, '--early-stopping', 'validationLoss', '--min-delta', 9];
    await train(short, ...stopping, '--patience', 2);
    await train(long, ...stopping, '--patience', 4);
    expect(lossesOf(short)).toHaveLength(3);
    const resumed = await tenon('train', '--resume', short, '--patience', 4, '--json');
    expect(resumed.lines.at(-1)).toMatchObject({ stopped: 'earlyStopping' });
    expect(lossesOf(short)).toEqual(lossesOf(long));
    expect(lossesOf(short)).toHaveLength(5);
    expect(bytesOf(short).equals(bytesOf(long))).toBe(true);
    expect(JSON.parse(readFileSync(join(short, 'run.json'), 'utf8'))).toMatchObject({ patience: 4 });
    // With 0, an epoch after the fifth may be the best one.
    const eager = await tenon('train', '--resume', short, '--min-delta', 0, '--patience', 9, '--json');
    expect(eager.lines.at(-1)).toMatchObject({ stopped: 'finished' });
    expect((eager.lines.at(-1)?.['best'] as { epoch: number }).epoch).toBeGreaterThan(5);
  });

  it('cannot be turned on, or have parts, in a run that was started without', async () => {
    const out = join(dir, 'never-stopping');
    await train(out, '--epochs', 1);
    const refused = async (...args: (string | number)[]): Promise<string> => {
      const { code, err } = await tenon('train', '--resume', out, ...args);
      expect(code).toBe(2);
      return err;
    };
    expect(await refused('--patience', 3)).toBe('tenon: --patience belongs to --early-stopping\n');
    expect(await refused('--early-stopping')).toBe(
      'tenon: --early-stopping validationLoss: the run that is resumed was started without it; leave the option out\n',
    );
    expect(await refused('--data', 'd')).toContain('--data: the glyphs data set is generated');
  });
});

describe('--loss, --class-weights and --sampler', () => {
  it('decide what is trained, and are recorded for a resume', async () => {
    const runs = {
      focal: ['--loss', 'focal', '--focal-gamma', 1],
      weighted: ['--class-weights', 'balanced'],
      drawn: ['--sampler', 'balanced'],
    };
    for (const [name, options] of Object.entries(runs)) {
      const [out, straight] = [join(dir, name), join(dir, `${name}-2`)];
      const given = ['--schedule', 'constant', ...options];
      expect((await train(out, '--epochs', 1, ...given)).code).toBe(0);
      await tenon('train', '--resume', out, '--epochs', 2);
      await train(straight, '--epochs', 2, ...given);
      expect(lossesOf(out)).toEqual(lossesOf(straight));
      expect(lossesOf(out)[0]).not.toBe(lossesOf(whole)[0]);
    }
    const recipe = (name: string): unknown => JSON.parse(readFileSync(join(dir, name, 'run.json'), 'utf8'));
    expect(recipe('focal')).toMatchObject({ loss: 'focal', focalGamma: 1, classWeights: null });
    expect(recipe('weighted')).toMatchObject({ loss: 'cross-entropy', classWeights: 'balanced' });
    expect(recipe('drawn')).toMatchObject({ sampler: 'balanced', classWeights: null });
    const numbers = join(dir, 'numbers');
    await train(numbers, '--epochs', 1, '--class-weights', '1,2,0.5,1,1,1,1,1,1,3', '--label-smoothing', 0.1);
    expect(recipe('numbers')).toMatchObject({
      classWeights: [1, 2, 0.5, 1, 1, 1, 1, 1, 1, 3],
      labelSmoothing: 0.1,
    });
    const again = await tenon('train', '--resume', numbers, '--class-weights', 'balanced');
    expect(again.err).toContain('started with 1,2,0.5,1,1,1,1,1,1,3');
  });
});

describe('--augment, --mixup and --cutmix', () => {
  it('keep the policy of a file, and do not need the file for a resume', async () => {
    const [out, file] = [join(dir, 'found'), join(dir, 'found.json')];
    const policy = [
      [
        ['Rotate', 0.8, 4],
        ['Invert', 0.3],
      ],
    ];
    writeFileSync(file, JSON.stringify(policy));
    const spelled = `oneOf(flip, sequence(crop, policy(${file}, p=0.5)), weights=1:3)`;
    expect((await train(out, '--epochs', 1, '--schedule', 'constant', '--augment', spelled)).code).toBe(0);
    const kept = spelled.replace(file, JSON.stringify(policy));
    expect(JSON.parse(readFileSync(join(out, 'run.json'), 'utf8'))).toMatchObject({ augment: [kept] });
    const again = ['train', '--resume', out, '--epochs', 2, '--json'];
    expect((await tenon(...again, '--augment', spelled)).code).toBe(0);
    rmSync(file);
    expect((await tenon(...again, '--epochs', 3)).code).toBe(0);
    const straight = join(dir, 'found-straight');
    await train(straight, '--epochs', 3, '--schedule', 'constant', '--augment', kept);
    expect(bytesOf(out).equals(bytesOf(straight))).toBe(true);
    const gone = await tenon('train', '--augment', spelled, '--out', join(dir, 'gone'));
    expect([gone.code, gone.err]).toEqual([1, expect.stringContaining('found.json does not exist')]);
    expect(existsSync(join(dir, 'gone'))).toBe(false);
    writeFileSync(file, '[[["Rotat", 1, 3]]]');
    const wrong = await tenon('train', '--augment', spelled, '--out', join(dir, 'gone'));
    expect(wrong.err).toContain('step 1 of sub-policy 1: unknown operation "Rotat" (did you mean "Rotate"?)');
  });

  it('train, are recorded, and are resumed with the same bits', async () => {
    const list = ['crop', 'randaugment(2,9)', 'autoAugment(cifar10)', 'gaussianBlur(3,p=0.5)'];
    const given = ['--augment', list.join(','), '--mixup', 0.4, '--cutmix', 1];
    const whole = join(dir, 'mixed');
    const { code, lines } = await train(whole, '--epochs', 2, ...given);
    expect(code).toBe(0);
    expect(lines[1]?.['trainAccuracy']).toBeGreaterThan(0);
    const kept = { augment: list, mixup: 0.4, cutmix: 1 };
    expect(JSON.parse(readFileSync(join(whole, 'run.json'), 'utf8'))).toMatchObject(kept);
    const first = join(dir, 'mixed-first');
    await train(first, '--epochs', 1, '--schedule', 'constant', ...given);
    await tenon('train', '--resume', first, '--epochs', 2, '--json');
    const second = join(dir, 'mixed-second');
    await train(second, '--epochs', 2, '--schedule', 'constant', ...given);
    expect(bytesOf(first).equals(bytesOf(second))).toBe(true);
  });
});
