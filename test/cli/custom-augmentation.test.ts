/** `--augment 'custom(FILE)'`, in the built package: its workers need that. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { itBuilt, main, root, temporaryDirectory, tenon } from './support';

const dir = temporaryDirectory();
const grain = join(root, 'test', 'augment', 'children', 'custom.mjs');

/** Trains in a process of its own, and returns the bytes of the model. */
async function trained(out: string, ...args: string[]): Promise<Buffer> {
  const command = ['train', '--json', '--out', join(dir, out), ...args];
  await promisify(execFile)(process.execPath, [main, ...command], { timeout: 120_000 });
  return readFileSync(join(dir, out, 'model.safetensors'));
}

itBuilt(
  'custom(FILE) runs a function of yours in workers, and a resumed run has the same bits',
  async () => {
    const how = ['--dataset', 'glyphs', '--model', 'mlp', '--schedule', 'constant'];
    const list = `custom(${grain}, workers=2),crop`;
    const whole = await trained('whole', ...how, '--epochs', '2', '--augment', list);
    const { augment } = JSON.parse(readFileSync(join(dir, 'whole', 'run.json'), 'utf8')) as {
      augment: unknown;
    };
    expect(augment).toEqual([`custom(${grain}, workers=2)`, 'crop']);
    await trained('part', ...how, '--epochs', '1', '--augment', list);
    const resumed = await trained('part', '--resume', join(dir, 'part'), '--epochs', '2');
    expect(resumed.equals(whole)).toBe(true);
    const here = await trained('here', ...how, '--epochs', '2', '--augment', list.replace('=2', '=0'));
    expect(here.equals(whole)).toBe(true);
    const without = await trained('without', ...how, '--epochs', '2', '--augment', 'crop');
    expect(without.equals(whole)).toBe(false);
  },
  300_000,
);

it.each([
  [`crop,custom(${grain})`, 'custom runs before the step, and must stand at the head of the list'],
  ['custom(none.mjs)', "the function's module none.mjs does not exist"],
])('--augment %s is refused', async (list, message) => {
  const { code, err } = await tenon('train', '--augment', list, '--out', join(dir, 'refused'));
  expect([code, err]).toEqual([2, expect.stringContaining(message)]);
});
