/**
 * The rules for imports in lib (.dependency-cruiser.js), held against planted violations: each is found, and
 * named by its files.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

interface Tools {
  readonly root: string;
  readonly packageBin: (name: string, bin: string) => string;
}

const { packageBin, root } = jest.requireActual<Tools>('../../scripts/tools.js');

const architecture = readFileSync(join(root, 'ARCHITECTURE.md'), 'utf8');

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tenon-arrows-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** What the check says of a library of these files. */
function check(files: Readonly<Record<string, string>>): { status: number | null; output: string } {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  const cruise = packageBin('dependency-cruiser', 'depcruise');
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [cruise, 'lib', '--config', join(root, '.dependency-cruiser.js'), '--output-type', 'err-long'],
    { cwd: folder, encoding: 'utf8', timeout: 200_000 },
  );
  return { status, output: `${stdout}${stderr}`.replace(/\s+/g, ' ') };
}

test('imports from the floors below, also of types, are in order', () => {
  const { status, output } = check({
    'lib/tensor/tensor.ts': 'export interface Tensor {}',
    'lib/nn/module.ts':
      "import type { Tensor } from '../tensor/tensor';\nexport type Forward = (x: Tensor) => Tensor;",
    'lib/train/trainer.ts': "import type { Forward } from '../nn/module';\nexport type Step = Forward;",
  });
  expect(output).toMatch(/no dependency violations found \(3 modules, 2 dependencies cruised\)/);
  expect(status).toBe(0);
});

test('what points the wrong way is named, with its rule and its files', () => {
  const { status, output } = check({
    'lib/errors.ts': 'export class TenonError extends Error {}',
    // Upward, of a type alone.
    'lib/nn/module.ts': "import type { Trainer } from '../train/trainer';\nexport type Owner = Trainer;",
    'lib/train/trainer.ts': 'export class Trainer {}',
    // Sideways.
    'lib/losses/index.ts': "import '../metrics/index';",
    'lib/metrics/index.ts': "import '../errors';",
    // Round in a circle of types.
    'lib/tensor/lazy.ts': "import type { A } from './tensor';\nexport type B = A[];",
    'lib/tensor/tensor.ts': "import type { B } from './lazy';\nexport type A = B | number;",
    // In a room that has no floor.
    'lib/misc/helper.ts': "import '../errors';",
    // By a door of its own.
    'lib/ops/fast.ts': "export const fast: unknown = require('../../build/Release/tenon.node');",
    // Where an entry should do it.
    'lib/train/data.ts': "import '../compile/evaluate';",
    'lib/compile/evaluate.ts': 'export const evaluator = 1;',
    'lib/ops/odd.ts': "import '../../test/support';\nimport './nowhere';",
    'test/support.ts': '',
  });
  const found = output.match(/error [a-z-]+: lib\S+( → \S+)*/g) ?? [];
  expect([...found].sort()).toEqual([
    'error entries-hook-up-the-evaluator: lib/train/data.ts → lib/compile/evaluate.ts',
    'error every-room-has-a-floor: lib/misc/helper.ts → lib/errors.ts',
    'error imports-exist: lib/ops/odd.ts → ./nowhere',
    'error lib-stands-alone: lib/ops/odd.ts → test/support.ts',
    'error losses-imports-from-below: lib/losses/index.ts → lib/metrics/index.ts',
    'error nn-imports-from-below: lib/nn/module.ts → lib/train/trainer.ts',
    'error no-circles: lib/tensor/lazy.ts → lib/tensor/tensor.ts → lib/tensor/lazy.ts',
    'error one-door-to-the-addon: lib/ops/fast.ts → ../../build/Release/tenon.node',
  ]);
  expect(status).toBe(found.length); // its exit code counts what it found
});

test('ARCHITECTURE.md draws the floors that the rules have', () => {
  const { forbidden } = jest.requireActual<{ forbidden: readonly { name: string }[] }>(
    '../../.dependency-cruiser.js',
  );
  const ruled = forbidden.flatMap(({ name }) => /^(.*)-imports-from-below$/.exec(name)?.[1] ?? []);
  const drawing = /Arrows point one way:\n\n```\n([^]*?) native\.ts -> native:/.exec(architecture)?.[1] ?? '';
  const drawn = drawing.split(/->|,/).map((room) => room.trim().replace('.ts', ''));
  expect(drawn).toEqual(ruled);
});

describe('native code', () => {
  const drawing = / native\.ts -> native: (.*)/.exec(architecture)?.[1] ?? '';
  const floors = drawing.split(' -> ').map((rooms) => rooms.split(', '));
  const floorOf = (room: string): number => floors.findIndex((rooms) => rooms.includes(room));

  /** Includes of another room that is not on a floor below. */
  function wrongIncludes(room: string, text: string): string[] {
    return [...text.matchAll(/^\s*#include "(\w+)\/.*"/gm)]
      .filter(([, included]) => included !== room && !(floorOf(included!) > floorOf(room)))
      .map(([line]) => line.trim());
  }

  test('includes from below only', () => {
    // tools/ names what builds from source take from npm.
    const rooms = readdirSync(join(root, 'native'), { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && !['test', 'tools'].includes(entry.name))
      .map(({ name }) => name);
    expect(floors.flat().sort()).toEqual(rooms.sort());
    const wrong = rooms.flatMap((room) => {
      const directory = join(root, 'native', room);
      const files = readdirSync(directory).filter((name) => /\.(cc|h)$/.test(name));
      expect(files).not.toEqual([]);
      return files.flatMap((name) =>
        wrongIncludes(room, readFileSync(join(directory, name), 'utf8')).map(
          (line) => `native/${room}/${name}: ${line}`,
        ),
      );
    });
    expect(wrong).toEqual([]);
  });

  test('that points the wrong way is found', () => {
    const text =
      '#include <vector>\n#include "base/tensor.h"\n  #include "ops/conv2d.h"\n#include "ref/pool.h"\n';
    expect(wrongIncludes('kernels', text)).toEqual(['#include "ops/conv2d.h"', '#include "ref/pool.h"']);
    expect(wrongIncludes('ops', text)).toEqual(['#include "ref/pool.h"']);
    expect(wrongIncludes('runtime', text)).toEqual([]);
  });
});
