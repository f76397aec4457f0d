/**
 * How the addon is found, and what is said where it is not: processes of their own on installations made for
 * it. They need the built package, which `npm test` makes first.
 */
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { platformHere, platformOf } from '../../lib/native/platform';

const root = join(__dirname, '..', '..');
const ADDON = join(root, 'build', 'Release', 'tenon.node');
const built = existsSync(join(root, 'dist', 'tenon.js'));
const itBuilt = built && process.platform === 'linux' ? it : it.skip;
if (!built) console.warn('loading is not tested: dist/ is missing (npm run build:ts)');

const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Record<string, unknown>;
const VERSION = String(manifest.version);
const HERE = platformHere().packageName;
const OTHERS = ['@tenon/linux-x64-gnu', '@tenon/linux-x64-musl', '@tenon/linux-arm64-gnu'];

const folders: string[] = [];
afterAll(() => folders.forEach((folder) => rmSync(folder, { recursive: true, force: true })));

function writeJson(file: string, value: unknown): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, JSON.stringify(value));
}

/** tenon as npm installs it below `folder`, without its platform package. */
function installTenon(folder: string): string {
  const tenon = join(folder, 'node_modules', 'tenon');
  const published = { ...manifest, scripts: undefined, devDependencies: undefined };
  const names = [...new Set([...OTHERS, HERE])];
  const optionalDependencies = Object.fromEntries(names.map((name) => [name, VERSION]));
  writeJson(join(tenon, 'package.json'), { ...published, optionalDependencies });
  mkdirSync(join(tenon, 'dist'));
  for (const file of ['tenon.js', 'index.js', 'index.mjs'])
    copyFileSync(join(root, 'dist', file), join(tenon, 'dist', file));
  for (const name of Object.keys(manifest.dependencies as object))
    symlinkSync(join(root, 'node_modules', name), join(folder, 'node_modules', name));
  return tenon;
}

function project(): { readonly folder: string; readonly tenon: string } {
  const folder = mkdtempSync(join(tmpdir(), 'tenon-load-'));
  folders.push(folder);
  return { folder, tenon: installTenon(folder) };
}

/** A platform package, with an addon unless the test writes one. */
function installPackage(folder: string, name = HERE, version = VERSION): string {
  const at = join(folder, 'node_modules', name);
  writeJson(join(at, 'package.json'), { name, version, main: 'tenon.node' });
  copyFileSync(ADDON, join(at, 'tenon.node'));
  return join(at, 'tenon.node');
}

function installLocal(tenon: string): string {
  const file = join(tenon, 'build', 'Release', 'tenon.node');
  mkdirSync(dirname(file), { recursive: true });
  copyFileSync(ADDON, file);
  return file;
}

const SHOW = `
const { info } = require('tenon');
try { const { addon, origin, version } = info(); console.log(JSON.stringify({ addon, origin, version })); }
catch (error) { console.log(error.code + '\\n' + error.message); console.log('causes', error.cause?.errors?.length); }
`;

function run(folder: string, flags: readonly string[] = [], program = SHOW): string {
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [...flags, '-e', program], {
    cwd: folder,
    encoding: 'utf8',
    timeout: 120_000,
  });
  expect({ status, signal }).toEqual({ status: 0, signal: null });
  return stdout + stderr;
}

describe('the addon', () => {
  itBuilt('comes from the platform package', () => {
    const { folder } = project();
    const addon = installPackage(folder);
    expect(JSON.parse(run(folder))).toEqual({ addon, origin: `${HERE} ${VERSION}`, version: VERSION });
  });

  itBuilt('comes from a local build before that', () => {
    const { folder, tenon } = project();
    installPackage(folder);
    const addon = installLocal(tenon);
    expect(JSON.parse(run(folder))).toEqual({ addon, origin: 'local build', version: VERSION });
  });

  itBuilt('comes from the platform package, with a warning, where the local build does not load', () => {
    const { folder, tenon } = project();
    installPackage(folder);
    truncateSync(installLocal(tenon), 1000);
    const text = run(folder);
    expect(text).toContain(`"origin":"${HERE} ${VERSION}"`);
    expect(text).toMatch(/Warning: tenon uses .* instead of the local build .*truncated.*npx tenon build/);
  });
});

describe('an installation that lacks the addon', () => {
  itBuilt('says how to install what was omitted', () => {
    const { folder, tenon } = project();
    const text = run(folder);
    expect(text).toContain('ERR_TENON_NATIVE');
    expect(text).toContain(`${join(tenon, 'build', 'Release', 'tenon.node')}: it is not there`);
    expect(text).toContain(`${HERE} ${VERSION}: it is not installed`);
    expect(text.indexOf('npm install --include=optional tenon')).toBeGreaterThan(0);
    expect(text.indexOf('npm install --include=optional tenon')).toBeLessThan(text.indexOf('rm -rf'));
    for (const words of [platformHere().npmFlags, 'supportedArchitectures', 'bun install', 'npx tenon build'])
      expect(text).toContain(words);
    expect(text).toContain('causes 2');
  });

  itBuilt('names what another system left there', () => {
    const { folder } = project();
    const other = OTHERS.filter((name) => name !== HERE)[0]!;
    installPackage(folder, other);
    const text = run(folder);
    expect(text).toContain(`Found instead: ${other} ${VERSION}`);
    expect(text.indexOf('rm -rf node_modules package-lock.json && npm install')).toBeGreaterThan(0);
    expect(text.indexOf('rm -rf')).toBeLessThan(text.indexOf('--include=optional'));
  });

  itBuilt('has the remedy for its lockfile first, where that leaves the package out', () => {
    const { folder } = project();
    writeJson(join(folder, 'package-lock.json'), { packages: { 'node_modules/tenon': {} } });
    const text = run(folder);
    expect(text.indexOf('rm -rf')).toBeLessThan(text.indexOf('--include=optional'));
    expect(text).toContain('npm/cli/issues/4828');
  });

  itBuilt('is told to build where nothing is prebuilt', () => {
    const { folder, tenon } = project();
    writeJson(join(tenon, 'package.json'), {
      ...manifest,
      devDependencies: undefined,
      optionalDependencies: { '@tenon/plan9-mips': VERSION },
    });
    expect(run(folder)).toMatch(/prebuilt addons for plan9-mips only\.\n {2}npx tenon build/);
  });
});

describe('a platform package', () => {
  const broken = (write: (file: string) => void): string => {
    const { folder } = project();
    write(installPackage(folder));
    return run(folder);
  };

  itBuilt('of another version is refused', () => {
    const { folder } = project();
    installPackage(folder, HERE, '9.9.9');
    const text = run(folder);
    expect(text).toContain(`it has version 9.9.9, and tenon has ${VERSION}`);
    expect(text).toContain('rm -rf node_modules && npm install');
    expect(text).toContain(`npm ls ${HERE}`);
  });

  itBuilt('whose addon is of another version is refused', () => {
    const { folder, tenon } = project();
    const changed = JSON.parse(readFileSync(join(tenon, 'package.json'), 'utf8')) as object;
    writeJson(join(tenon, 'package.json'), { ...changed, version: '9.9.9' });
    installPackage(folder, HERE, '9.9.9');
    expect(run(folder)).toContain(`it has version ${VERSION}, and tenon has 9.9.9`);
  });

  itBuilt.each([
    ['cut to 1000 bytes', (file: string) => truncateSync(file, 1000), /truncated: it has 1000 of \d+ bytes/],
    [
      'cut in half',
      (file: string) => truncateSync(file, 2_000_000),
      /truncated: it has 2000000 of \d+ bytes/,
    ],
    ['empty', (file: string) => truncateSync(file, 0), /the file is empty/],
    [
      'text',
      (file: string) => writeFileSync(file, 'version https://git-lfs'),
      /damaged: it is not a library/,
    ],
    ['missing', (file: string) => rmSync(file), /ENOENT|no such file/],
  ])('that is %s is refused', (_, write, message) => {
    const text = broken(write);
    expect(text).toMatch(message);
    expect(text).toContain('rm -rf node_modules && npm install');
  });

  itBuilt('for another processor is refused', () => {
    const text = broken((file) => {
      const bytes = readFileSync(file);
      bytes.writeUInt16LE(process.arch === 'arm64' ? 62 : 183, 0x12);
      writeFileSync(file, bytes);
    });
    expect(text).toContain(
      `made for ${process.arch === 'arm64' ? 'x64' : 'arm64'}, and this process runs on ${process.arch}`,
    );
  });

  itBuilt('that needs another C library is refused', () => {
    const text = broken((file) => {
      const bytes = readFileSync(file);
      const at = bytes.indexOf('libc.so.6\0');
      bytes.write('ld-musl.x', at, 'latin1');
      writeFileSync(file, bytes);
    });
    expect(text).toMatch(/built for musl \(Alpine\), and this system has glibc/);
  });
});

itBuilt('disabled addons are explained', () => {
  const { folder } = project();
  installPackage(folder);
  expect(run(folder, ['--no-addons'])).toContain('Start node without --no-addons');
});

itBuilt('code that was bundled is told to leave tenon outside', () => {
  const { folder, tenon } = project();
  rmSync(join(tenon, 'package.json'));
  expect(run(folder, [], SHOW.replace("'tenon'", "'./node_modules/tenon/dist/index.js'"))).toContain(
    '--external:tenon',
  );
});

describe('two copies of tenon with addons of their own in one process', () => {
  const second = (program: string): string => {
    const { folder, tenon } = project();
    installPackage(folder);
    const nested = join(folder, 'node_modules', 'other');
    mkdirSync(nested);
    const copy = installTenon(nested);
    installPackage(nested);
    const text = run(folder, [], program);
    expect(text).toContain('ERR_TENON_NATIVE');
    for (const words of [
      `${tenon} (version ${VERSION})`,
      `${copy} (version ${VERSION})`,
      'npm ls tenon; npm dedupe, or "overrides": { "tenon": "',
      'pnpm why -r tenon; pnpm dedupe',
      'yarn why tenon; yarn dedupe tenon',
      'bun why tenon',
    ])
      expect(text).toContain(words);
    return text;
  };
  const REPORT = `try { require('./node_modules/other/node_modules/tenon').info(); console.log('loaded'); }
    catch (error) { console.log(error.code, error.message); }`;

  itBuilt('are refused', () => {
    second(`require('tenon').info(); ${REPORT}`);
  });

  itBuilt('are refused in a worker thread', () => {
    second(
      `require('tenon').info(); new (require('node:worker_threads').Worker)(${JSON.stringify(REPORT)}, { eval: true });`,
    );
  });
});

describe('two copies of tenon with one addon in one process', () => {
  /** As pnpm installs one version for two sets of peer dependencies. */
  const both = (): string => {
    const { folder } = project();
    installPackage(folder);
    const nested = join(folder, 'node_modules', 'other');
    mkdirSync(nested);
    installTenon(nested);
    return folder;
  };
  const TWO = "const a = require('tenon'), b = require('./node_modules/other/node_modules/tenon');";

  itBuilt('both compute, in one executor', () => {
    const program = `${TWO}
      a.setThreads(1);
      const twice = ({ ops, tensor }) => [...ops.mul(tensor([1, 2]), 2).dataSync()];
      console.log(a === b, a.info().addon === b.info().addon, b.info().threads, twice(a), twice(b));`;
    expect(run(both(), [], program)).toBe('false true 1 [ 2, 4 ] [ 2, 4 ]\n');
  });

  itBuilt('say of an object of the other one whose it is', () => {
    const program = `${TWO}
      const said = (work) => { try { work(); } catch ({ code, message }) { console.log(code, message); } };
      said(() => b.ops.relu(a.tensor([1])));
      said(() => b.nn.sequential(a.nn.relu()));
      b.nn.linear(2, 2).predict(a.zeros([1, 2])).catch(({ message }) => said(() => { throw { message }; }));`;
    const lines = run(both(), [], program).trim().split('\n');
    expect(lines).toHaveLength(3);
    for (const line of lines) expect(line).toContain('got an object that another copy of tenon made (npm ls');
    expect(lines[0]).toMatch(/^ERR_TENON_DTYPE relu/);
  });

  itBuilt('are one where a worker, an ES module and another registry load it again', () => {
    const { folder } = project();
    installPackage(folder);
    const program = `
      const seen = () => require('tenon').info().origin;
      seen();
      for (const key of Object.keys(require.cache)) if (/tenon\\.js$|index\\.js$/.test(key)) delete require.cache[key];
      console.log(seen());
      import('tenon').then(({ info }) => {
        console.log(info().origin);
        new (require('node:worker_threads').Worker)("console.log(require('tenon').info().origin)", { eval: true });
      });`;
    expect(run(folder, [], program)).toBe(`${HERE} ${VERSION}\n`.repeat(3));
  });
});

it('the rule for names is that of the table of platforms', () => {
  const { platforms, packageName } = jest.requireActual<{
    readonly platforms: readonly { os: string; cpu: string; libc?: string }[];
    readonly packageName: (platform: object) => string;
  }>('../../scripts/package/platforms');
  expect(platforms.length).toBeGreaterThan(3);
  for (const platform of platforms)
    expect(platformOf(platform.os, platform.cpu, platform.libc ?? null).packageName).toBe(
      packageName(platform),
    );
});
