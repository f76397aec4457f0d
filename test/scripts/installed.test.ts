/**
 * The tarballs that `npm run package` has built, installed as a user does. They are built in CI; elsewhere
 * this is skipped until they are.
 */
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { platformHere } from '../../lib/native/platform';
import { root, temporaryDirectory } from '../cli/support';

const dir = temporaryDirectory();
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
const { packageName } = platformHere();
const tarballs = ['tenon', packageName.slice(1).replace('/', '-')].map((name) =>
  join(root, 'build', 'packages', `${name}-${version}.tgz`),
);

interface Trained {
  readonly weights: string;
  readonly info: { readonly origin: string };
}

/** Trains a network in a folder that has tenon in node_modules. */
function train(folder: string, script: 'esm.mjs' | 'commonjs.js'): Trained {
  const from = join(root, 'scripts', 'verify', 'children', 'installed');
  for (const file of ['net.mjs', script]) copyFileSync(join(from, file), join(folder, file));
  const out = execFileSync(process.execPath, [script, '256', '64'], { cwd: folder, encoding: 'utf8' });
  return JSON.parse(out.trim().split('\n').at(-1)!) as Trained;
}

describe('the packages that npm run package has built', () => {
  const packaged = tarballs.every((file) => existsSync(file)) ? it : it.skip;

  packaged('install without a script and train, to the weights of the build from source', () => {
    const user = join(dir, 'user');
    mkdirSync(user);
    const install = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline'];
    execFileSync('npm', [...install, ...tarballs], { cwd: user, stdio: 'ignore' });
    const source = join(dir, 'source');
    mkdirSync(join(source, 'node_modules'), { recursive: true });
    symlinkSync(root, join(source, 'node_modules', 'tenon'), 'dir');
    const built = train(source, 'esm.mjs');
    expect(built.info.origin).toBe('local build');
    for (const script of ['esm.mjs', 'commonjs.js'] as const) {
      const { weights, info } = train(user, script);
      expect(info.origin).toBe(`${packageName} ${version}`);
      expect(weights).toBe(built.weights);
    }
  });
});
