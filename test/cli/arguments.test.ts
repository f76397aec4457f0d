import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { mkdirSync, writeFileSync } from 'node:fs';
import { itBuilt, main, temporaryDirectory, tenon } from './support';

const dir = temporaryDirectory();

/** Every wrong command line: what it says, in one line, before anything is started. */
const WRONG: [args: string[], message: string][] = [
  [['train', '--epoch', '3'], "unknown option '--epoch' (Did you mean --epochs?)"],
  [
    ['train', '--limits', 'maxPixel=3'],
    '--limits must be one of "maxBytes", "maxExpansion", "maxPixels", got "maxPixel"',
  ],
  [['train', '--limits', 'maxPixels'], '--limits maxPixels must be a finite number above 0, got ""'],
  [
    ['train', '--dataset', 'mnist', '--data', 'x', '--limits', 'maxPixels=9'],
    '--limits maxPixels is for image files',
  ],
  [['train', '--limits', 'maxBytes=9'], '--limits: the glyphs data set is generated'],
  [['trian'], "unknown command 'trian' (Did you mean train?)"],
  [['train', 'extra'], "too many arguments for 'train'"],
  [['train', '--epochs'], 'argument missing'],
  [['train', '--epochs', '0'], 'option: --epochs must be a positive integer, got 0'],
  [['train', '--epochs', '1.5'], 'option: --epochs must be a positive integer, got 1.5'],
  [['train', '--epochs', 'ten'], 'option: --epochs must be a positive integer, got "ten"'],
  [['train', '--epochs', '0x10'], 'option: --epochs must be a positive integer, got "0x10"'],
  [['train', '--epochs', ''], 'option: --epochs must be a positive integer, got ""'],
  [['train', '--batch-size', '-1'], 'option: --batch-size must be a positive integer, got -1'],
  [['train', '--lr', 'NaN'], 'option: --lr must be a finite number above 0, got "NaN"'],
  [['train', '--lr', '1e999'], 'option: --lr must be a finite number above 0, got Infinity'],
  [['train', '--momentum', '-0.9'], 'option: --momentum must be a finite number of at least 0, got -0.9'],
  [['train', '--weight-decay', 'x'], 'option: --weight-decay must be a finite number of at least 0, got "x"'],
  [['train', '--validation', '2'], 'option: --validation must be a number from 0 to 1, got 2'],
  [['train', '--seed', '-1'], 'option: --seed must be an integer of at least 0, got -1'],
  [['train', '--threads', '0'], 'option: --threads must be a positive integer, got 0'],
  [
    ['train', '--dataset', 'glyphs', '--model', 'vgg11'],
    'models.vgg11: --image-size must be at least 32, got 28',
  ],
  [['train', '--dataset', 'mnits'], 'got "mnits" (did you mean "mnist"?)'],
  [
    ['train', '--model', 'resnet'],
    'option: --model must be one of "mlp", "lenet5", "lenet", "vggs", "resnet20", "cifar_resnet20", ',
  ],
  [['train', '--optimizer', 'adm'], '(did you mean "adam"?)'],
  [['train', '--schedule', 'one-cycl'], 'got "one-cycl" (did you mean "one-cycle"?)'],
  [
    ['train', '--augment', 'flip,rotat(3)'],
    '--augment: there is no augmentation "rotat" (did you mean "rotate"?)',
  ],
  [['train', '--augment', 'flip,rotate'], 'augment.rotate: degrees must be a number or [low, high]'],
  [['train', '--augment', 'cutout(8'], '--augment: "(" is not closed, at character 7 of "cutout(8"'],
  [
    ['train', '--augment', 'crop,oneOf(flip, rotat(3))'],
    '--augment: there is no augmentation "rotat" (did you mean "rotate"?)',
  ],
  [['train', '--augment', 'flip(0.5,1)'], '--augment: flip takes at most 1 arguments (p), got 2'],
  [['train', '--augment', 'flip(p=2)'], 'augment.flip: p must be a number from 0 to 1, got 2'],
  [['train', '--augment', 'randaugment(2,31)'], 'm must be at most bins - 1 = 30, got 31'],
  [['train', '--mixup', '0'], 'option: --mixup must be a number from 0.001 to 1000000, got 0'],
  [['train', '--out', ''], 'option: --out must be a non-empty string, got ""'],
  [['train', '--dataset', 'mnist'], '--dataset mnist needs --data DIR'],
  [['train', '--dataset', 'glyphs', '--data', 'x'], '--data: the glyphs data set is generated'],
  [['train', '--image-size', '32'], '--image-size belongs to --dataset folder'],
  [
    ['train', '--model', 'resnet20', '--sync-batch-norm'],
    '--sync-batch-norm is for batches in several parts: --shards N, or the ranks of a job',
  ],
  [
    ['train', '--model', 'lenet', '--shards', '2', '--sync-batch-norm'],
    '--sync-batch-norm: --model lenet has no batch norm',
  ],
  [
    ['train', '--optimizer', 'adam', '--momentum', '0.9'],
    '--momentum belongs to --optimizer sgd, rmsprop, lars; adam takes none',
  ],
  [
    ['train', '--early-stopping', 'validationLos'],
    'option: --early-stopping must be one of "validationLoss", "validationAccuracy", "trainLoss", "trainAccuracy", got "validationLos" (did you mean "validationLoss"?)',
  ],
  [
    ['train', '--early-stopping', '--validation', '0'],
    '--early-stopping validationLoss needs a validation set, and --validation is 0',
  ],
  [
    ['train', '--class-weights', 'balance'],
    '--class-weights must be numbers or "balanced", got "balance" (did you mean "balanced"?)',
  ],
  [['train', '--class-weights', '1,-2'], '--class-weights must be a finite number of at least 0, got -2'],
  [['train', '--class-weights', '1,2'], '--class-weights: 2 weights, but there are 10 classes'],
  [['train', '--sampler', 'balancd'], 'must be one of "balanced", got "balancd" (did you mean "balanced"?)'],
  [['train', '--focal-gamma', '1'], '--focal-gamma belongs to --loss focal'],
  [
    ['train', '--loss', 'focal', '--label-smoothing', '0.1'],
    '--label-smoothing belongs to --loss cross-entropy',
  ],
  [['train', '--patience', '3'], '--patience belongs to --early-stopping'],
  [['train', '--early-stopping', '--patience', '0'], '--patience must be a positive integer, got 0'],
  [['evaluate'], "required option '--model-file <file>' not specified"],
  [['predict', 'x.png'], "required option '--model-file <file>' not specified"],
  [['predict', '--model-file', 'm'], "missing required argument 'image'"],
  [
    ['predict', '--model-file', 'm', '--top', '0', 'x.png'],
    'option: --top must be a positive integer, got 0',
  ],
];

describe('a wrong command line', () => {
  it.each(WRONG)('%j', async (args, message) => {
    const { code, out, err } = await tenon(...args);
    expect(err).toContain(message);
    expect(err).toMatch(/^tenon: [^\n]+\n$/);
    expect(out).toBe('');
    expect(code).toBe(2);
  });

  it('is one JSON object with --json', async () => {
    const { code, lines, err } = await tenon('train', '--json', '--lr', '-1');
    expect(lines).toEqual([
      {
        event: 'error',
        code: 'ERR_TENON_OPTION',
        message: 'option: --lr must be a finite number above 0, got -1',
      },
    ]);
    expect([code, err]).toEqual([2, '']);
  });
});

describe('a run that cannot begin', () => {
  it('names a missing directory, and exits with 1', async () => {
    const missing = join(dir, 'missing');
    const { code, err } = await tenon(
      'train',
      '--dataset',
      'mnist',
      '--data',
      missing,
      '--out',
      join(dir, 'a'),
    );
    expect(err).toBe(`tenon: mnist: directory ${missing} does not exist\n`);
    expect(code).toBe(1);
  });

  it('names a directory without a run', async () => {
    const { code, err } = await tenon('train', '--resume', dir);
    expect(err).toBe(`tenon: resume: ${dir} holds no run (there is no run.json)\n`);
    expect(code).toBe(1);
  });

  it('refuses a damaged run.json', async () => {
    const damaged = join(dir, 'damaged');
    mkdirSync(damaged);
    writeFileSync(join(damaged, 'run.json'), '{"dataset": "glyphs", "model": "le');
    expect((await tenon('train', '--resume', damaged)).err).toContain('run.json: not valid JSON');
    writeFileSync(join(damaged, 'run.json'), '{"dataset": "glyphs", "model": "lenet"}');
    const { code, err } = await tenon('train', '--resume', damaged);
    expect(err).toContain('run.json: data must be a non-empty string, got undefined');
    expect(code).toBe(1);
  });

  it('names a model file that is missing or is none', async () => {
    const file = join(dir, 'model.safetensors');
    const missing = await tenon('evaluate', '--model-file', file);
    expect([missing.code, missing.err]).toEqual([1, expect.stringContaining(file)]);
    writeFileSync(file, 'not a model file at all');
    const wrong = await tenon('evaluate', '--model-file', file, '--json');
    expect(wrong.lines).toEqual([
      { event: 'error', code: 'ERR_TENON_FORMAT', message: expect.stringContaining(file) },
    ]);
    expect(wrong.code).toBe(1);
  });
});

describe('--help and --version', () => {
  it('lists commands, examples and exit codes', async () => {
    const { code, out, err } = await tenon('--help');
    for (const word of ['train', 'evaluate', 'predict', 'doctor', 'Exit codes', '130'])
      expect(out).toContain(word);
    expect([code, err]).toEqual([0, '']);
  });

  it.each(['train', 'tune', 'evaluate', 'predict', 'doctor'])(
    '%s --help says what it does',
    async (command) => {
      const { code, out } = await tenon(command, '--help');
      expect(out).toContain(`tenon ${command}`);
      expect(out).toContain('Exit codes');
      expect(code).toBe(0);
    },
  );

  it('has all options of train', async () => {
    const { out } = await tenon('train', '--help');
    const options =
      'dataset data image-size model epochs batch-size optimizer lr schedule augment limits threads seed out resume json';
    for (const name of options.split(' ')) expect(out).toContain(`--${name} `);
  });

  it('has the options of train in tune, behind its own', async () => {
    const { out } = await tenon('tune', '--help');
    const [own = '', shared = ''] = out.split('What all trials share, as in tenon train:');
    for (const name of 'search space metric strategy rules trials workers keep-best resume json'.split(' '))
      expect(own).toMatch(new RegExp(`--${name}\\b`));
    for (const name of 'dataset data validation model epochs augment optimizer lr seed'.split(' '))
      expect(shared).toContain(`--${name} `);
    expect(shared.replaceAll(/\s+/g, ' ')).toContain('held out for validation (default: 0.2)');
  });

  it('prints the version', async () => {
    expect(await tenon('--version')).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
    });
  });

  itBuilt('exits with 1, and says nothing, where the reader left', async () => {
    const child = spawn(process.execPath, [main, '--help']);
    const said: Buffer[] = [];
    child.stderr.on('data', (bytes: Buffer) => said.push(bytes));
    child.stdout.destroy();
    expect(await once(child, 'close')).toEqual([1, null]);
    expect(said).toEqual([]);
  });

  it('shows help where nothing is asked', async () => {
    const { code, err } = await tenon();
    expect(err).toContain('Usage: tenon');
    expect(err).toMatch(/^tenon: no command given$/m);
    expect(err).not.toContain('outputHelp');
    expect(code).toBe(2);
  });
});
