/** Examples with a package.json of their own run in a folder as their users have it. */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const root = join(__dirname, '..', '..');

interface Manifest {
  readonly version: string;
  readonly dependencies?: Readonly<Record<string, string>>;
}

function manifestOf(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;
}

/**
 * Copies examples/`name` to a temporary folder and links what its package.json depends on: this checkout,
 * which must be built, as tenon, and the packages of its devDependencies, whose versions must be those that
 * the example asks for.
 */
export function installExample(name: string): string {
  const from = join(root, 'examples', name);
  const folder = mkdtempSync(join(tmpdir(), `tenon-${name}-`));
  cpSync(from, folder, { recursive: true, filter: (path) => !path.startsWith(join(from, 'node_modules')) });
  for (const [dependency, version] of Object.entries(manifestOf(folder).dependencies ?? {})) {
    const target = dependency === 'tenon' ? root : join(root, 'node_modules', dependency);
    if (!existsSync(target)) throw new Error(`${name} depends on ${dependency}, which is not installed here`);
    const { version: installed } = manifestOf(target);
    if (version !== installed)
      throw new Error(`${name} asks for ${dependency} ${version}; ${installed} is here`);
    const link = join(folder, 'node_modules', dependency);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(target, link, 'dir');
  }
  return folder;
}
