/** The pieces of `npm run package` that need no compiler. */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

interface Platform {
  readonly name: string;
  readonly os: string;
  readonly cpu: string;
  readonly libc?: string;
  readonly listed: boolean;
}

interface Manifest {
  readonly [member: string]: unknown;
  readonly version: string;
}

const scripts = join(__dirname, '../../scripts/package');
const { platforms, packageName, platformsNamed } = jest.requireActual<{
  readonly platforms: readonly Platform[];
  readonly packageName: (platform: Platform) => string;
  readonly platformsNamed: (names: readonly string[]) => Platform[];
}>(join(scripts, 'platforms.js'));
const { platformManifest, tenonManifest } = jest.requireActual<{
  readonly platformManifest: (platform: Platform, manifest: Manifest) => Manifest;
  readonly tenonManifest: (manifest: Manifest) => Manifest;
}>(join(scripts, 'manifests.js'));
const { tarball } = jest.requireActual<{ readonly tarball: (folder: string) => Promise<Buffer> }>(
  join(scripts, 'tarball.js'),
);
interface Tarball {
  readonly name: string;
  readonly file: string;
  readonly sha256: string;
}
const { checksums, refuseOthers, tarballsIn } = jest.requireActual<{
  readonly checksums: (tarballs: readonly Tarball[]) => string;
  readonly refuseOthers: (folder: string, version: string) => void;
  readonly tarballsIn: (folder: string, version: string) => Tarball[];
}>(join(scripts, 'tarballs.js'));
const { billOfMaterials } = jest.requireActual<{
  readonly billOfMaterials: (packed: readonly { readonly name: string; readonly sha256: string }[]) => Buffer;
}>(join(scripts, 'bill-of-materials.js'));

const manifest = JSON.parse(readFileSync(join(__dirname, '../../package.json'), 'utf8')) as Manifest;
const listed = platforms.filter((platform) => platform.listed);

describe('the table of platforms', () => {
  test('lists Linux on two processors with two C libraries, and nothing that is untested', () => {
    expect(listed.map(packageName)).toEqual([
      '@tenon/linux-x64-gnu',
      '@tenon/linux-arm64-gnu',
      '@tenon/linux-x64-musl',
      '@tenon/linux-arm64-musl',
    ]);
  });

  test('has names that follow from system, processor and C library', () => {
    for (const { name, os, cpu, libc } of platforms)
      expect(name).toBe([os, cpu, ...(libc ? [libc.replace('glibc', 'gnu')] : [])].join('-'));
  });

  test('finds by name, and names what it does not have', () => {
    expect(platformsNamed(['win32-x64', 'linux-x64-musl']).map(({ name }) => name)).toEqual([
      'linux-x64-musl',
      'win32-x64',
    ]);
    expect(() => platformsNamed(['linux-x64-gnu', 'linux-x86'])).toThrow(
      /no platform linux-x86; there are linux-/,
    );
  });
});

describe('manifests', () => {
  test('tenon has no scripts, and the platform packages in exactly its version', () => {
    const published = tenonManifest(manifest);
    for (const member of ['scripts', 'devDependencies', 'private'])
      expect(published).not.toHaveProperty(member);
    expect(published.optionalDependencies).toEqual(
      Object.fromEntries(listed.map((platform) => [packageName(platform), manifest.version])),
    );
    for (const member of ['name', 'version', 'exports', 'bin', 'dependencies', 'engines'])
      expect(published[member]).toEqual(manifest[member]);
  });

  test.each(platforms.map((platform) => [platform.name, platform] as const))(
    '%s says where it runs',
    (_, one) => {
      const published = platformManifest(one, manifest);
      expect(published).toMatchObject({
        name: packageName(one),
        version: manifest.version,
        os: [one.os],
        cpu: [one.cpu],
        preferUnplugged: true,
        main: 'tenon.node',
      });
      expect(published.libc).toEqual(one.libc && [one.libc]);
      expect(published).not.toHaveProperty('scripts');
    },
  );
});

describe('tarballs', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'tenon-package-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  /** Files written in the given order, with times, owners' modes and a folder of their own. */
  function write(name: string, files: readonly string[], seconds: number): string {
    const made = join(folder, name);
    for (const file of files) {
      mkdirSync(join(made, file, '..'), { recursive: true });
      writeFileSync(join(made, file), `this is ${file}`);
      chmodSync(join(made, file), file.endsWith('main.js') ? 0o700 : 0o600);
      utimesSync(join(made, file), seconds, seconds);
    }
    return made;
  }

  const files = ['package.json', 'dist/cli/main.js', 'dist/index.js', 'LICENSE'];

  test('have the same bytes for the same files, whenever and in whatever order they were written', async () => {
    const first = await tarball(write('first', files, 1e9));
    const second = await tarball(write('second', [...files].reverse(), 1.5e9));
    expect(first.equals(second)).toBe(true);
    writeFileSync(join(folder, 'second', 'LICENSE'), 'another');
    expect((await tarball(join(folder, 'second'))).equals(first)).toBe(false);
  });

  test("are what tar unpacks: npm's folder, modes for everybody", async () => {
    writeFileSync(join(folder, 'x.tgz'), await tarball(write('first', files, 1e9)));
    const rows = execFileSync('tar', ['--utc', '-tvzf', join(folder, 'x.tgz')], { encoding: 'utf8' });
    expect(
      rows
        .trim()
        .split('\n')
        .map((row) => row.replace(/\s+/g, ' ')),
    ).toEqual([
      '-rw-r--r-- 0/0 15 1985-10-26 08:15 package/LICENSE',
      '-rwxr-xr-x 0/0 24 1985-10-26 08:15 package/dist/cli/main.js',
      '-rw-r--r-- 0/0 21 1985-10-26 08:15 package/dist/index.js',
      '-rw-r--r-- 0/0 20 1985-10-26 08:15 package/package.json',
    ]);
  });
});

describe('the tarballs of a folder', () => {
  let folder: string;
  const write = (...files: readonly string[]): void =>
    files.forEach((file) => writeFileSync(join(folder, file), `this is ${file}`));
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'tenon-tarballs-'));
    write('tenon-linux-x64-musl-1.2.3.tgz', 'tenon-1.2.3.tgz', 'tenon-win32-x64-1.2.3.tgz', 'SHA256SUMS');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  test('are all covered, whichever run built them, with sums that sha256sum checks', () => {
    const tarballs = tarballsIn(folder, '1.2.3');
    expect(tarballs.map(({ name }) => name)).toEqual(['tenon', '@tenon/linux-x64-musl', '@tenon/win32-x64']);
    writeFileSync(join(folder, 'SHA256SUMS'), checksums(tarballs));
    const check = (): string =>
      execFileSync('sha256sum', ['--check', 'SHA256SUMS'], { cwd: folder, encoding: 'utf8', stdio: 'pipe' });
    expect(check().match(/: OK$/gm)).toHaveLength(3);
    writeFileSync(join(folder, 'tenon-win32-x64-1.2.3.tgz'), 'changed');
    expect(check).toThrow(/did NOT match/);
  });

  test('of another version or of nobody are refused by name', () => {
    expect(() => refuseOthers(folder, '1.2.3')).not.toThrow();
    expect(() => refuseOthers(join(folder, 'not-there'), '1.2.3')).not.toThrow();
    write('tenon-1.2.2.tgz', 'other-1.2.3.tgz');
    expect(() => refuseOthers(folder, '1.2.3')).toThrow(
      /1\.2\.3; remove other-1\.2\.3\.tgz, tenon-1\.2\.2\.tgz$/,
    );
  });
});

test('the bill of materials names what is published, what is inside and what npm installs, with its hash', () => {
  const packed = [
    { name: 'tenon', sha256: 'a'.repeat(64) },
    { name: '@tenon/linux-x64-gnu', sha256: 'b'.repeat(64) },
  ];
  const bytes = billOfMaterials(packed);
  expect(billOfMaterials(packed).equals(bytes)).toBe(true);
  const bill = JSON.parse(bytes.toString()) as {
    readonly components: readonly { readonly name: string; readonly 'bom-ref': string }[];
    readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
  };
  const names = bill.components.map(({ name }) => name);
  expect(names).toEqual(
    expect.arrayContaining(['@tenon/linux-x64-gnu', 'libc++', 'libunwind', 'node-addon-api']),
  );
  expect(names).toEqual(expect.arrayContaining(Object.keys(manifest.dependencies as object)));
  // Each reference leads somewhere, and no component is there twice.
  const refs = [`pkg:npm/tenon@${manifest.version}`, ...bill.components.map((one) => one['bom-ref'])];
  expect(new Set(refs).size).toBe(refs.length);
  for (const { ref, dependsOn } of bill.dependencies)
    for (const one of [ref, ...dependsOn]) expect(refs).toContain(one);
  expect(bytes.toString()).toContain(`"content": "${'b'.repeat(64)}"`);
});
