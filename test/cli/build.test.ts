/**
 * `tenon build` in an installed package, with stubs in the place of npm, of what it installs, and of the
 * compiler. They need the built package, which `npm test` makes first.
 */
import { spawn, spawnSync, type SpawnSyncOptions } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { itBuilt, root, temporaryDirectory } from './support';

const dir = temporaryDirectory();

function manifest(...path: string[]): Record<string, Record<string, string>> {
  return JSON.parse(readFileSync(join(root, ...path), 'utf8')) as Record<string, Record<string, string>>;
}

/** What `tenon build` needs of the package, below node_modules. */
function install(): string {
  const user = mkdtempSync(join(dir, 'user-'));
  chmodSync(user, 0o755);
  const tenon = join(user, 'node_modules', 'tenon');
  const files = ['dist', 'native/tools', 'native/binding.gyp', 'scripts/build-native.js', 'scripts/tools.js'];
  for (const file of files) cpSync(join(root, file), join(tenon, file), { recursive: true });
  writeFileSync(join(tenon, 'package.json'), JSON.stringify({ ...manifest('package.json'), scripts: {} }));
  for (const name of Object.keys(manifest('package.json').dependencies!))
    symlinkSync(join(root, 'node_modules', name), join(user, 'node_modules', name));
  return tenon;
}

/** A folder for PATH that has these programs, which print their version as GCC's does. */
function programs(names: readonly string[], version = '12.2.0'): string {
  const folder = mkdtempSync(join(dir, 'path-'));
  chmodSync(folder, 0o755);
  for (const name of names) {
    const text = `${name} (Debian ${version}-14) ${version}\nCopyright Free Software Foundation`;
    writeFileSync(join(folder, name), `#!/bin/sh\necho '${text}'\n`, { mode: 0o755 });
  }
  return folder;
}

const ALL = ['c++', 'g++', 'make', 'cmake', 'python3'];

/** The tools that a stub of npm installs: each leaves an addon where the real one does, or does `instead`. */
const tool = (out: string, instead = ''): string => `
  const { mkdirSync, writeFileSync } = require('node:fs');
  const after = (name) => process.argv[process.argv.indexOf(name) + 1];
  if (process.argv[2] === 'build') {
    ${instead}
    mkdirSync(${out}, { recursive: true });
    writeFileSync(${out} + '/tenon.node', 'an addon');
  }`;

/** A stub of npm. `environment` has it as the npm that is in use. */
function npm(instead?: string): string {
  const folder = mkdtempSync(join(dir, 'npm-'));
  const tools = {
    'cmake-js': tool(`after('--out') + '/Release'`, instead),
    'node-gyp': tool(`after('--directory') + '/build/Release'`, instead),
  };
  const file = join(folder, 'npm-cli.js');
  writeFileSync(
    file,
    `const { mkdirSync, writeFileSync } = require('node:fs');
    console.log('npm ' + process.argv.slice(2).join(' '));
    for (const [name, program] of Object.entries(${JSON.stringify(tools)})) {
      mkdirSync('node_modules/' + name, { recursive: true });
      writeFileSync('node_modules/' + name + '/main.js', program);
      writeFileSync('node_modules/' + name + '/package.json', JSON.stringify({ name, bin: 'main.js' }));
    }`,
  );
  return file;
}

interface Result {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const main = (tenon: string): string => join(tenon, 'dist', 'cli', 'main.js');

function build(
  tenon: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  more: SpawnSyncOptions = {},
): Result {
  const command = [main(tenon), 'build', ...args];
  const { status, stdout, stderr } = spawnSync(process.execPath, command, { ...more, encoding: 'utf8', env });
  return { status, stdout: String(stdout), stderr: String(stderr) };
}

describe('tenon build', () => {
  it('installs the tools that a checkout has', () => {
    const { devDependencies } = manifest('package.json');
    const { dependencies } = manifest('native', 'tools', 'package.json');
    expect(Object.keys(dependencies!)).toHaveLength(4);
    expect(devDependencies).toMatchObject(dependencies!);
  });

  itBuilt.each([
    [['--backend', 'cmake'], ALL, 'cmake'],
    [['--backend', 'gyp'], ALL, 'gyp'],
    [[], ALL, 'cmake'],
    [[], ['g++', 'make', 'python3'], 'gyp'],
    [[], ['clang++', 'ninja', 'cmake'], 'cmake'],
  ] as const)('%j where there are %j builds with %s', (args, there, backend) => {
    const tenon = install();
    const env = { PATH: programs(there), npm_execpath: npm() };
    const addon = join(tenon, 'build', 'Release', 'tenon.node');
    const { status, stdout, stderr } = build(tenon, [...args, '--json'], env);
    expect([status, stderr]).toEqual([0, expect.stringMatching(/^npm install .*--ignore-scripts/)]);
    const events = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as object);
    expect(events).toEqual([
      { event: 'start', backend },
      { event: 'done', backend, addon, seconds: expect.any(Number) as number },
    ]);
    expect(readFileSync(addon, 'utf8')).toBe('an addon');
  });

  itBuilt('keeps the tools for the next time, and nothing half installed', () => {
    const tenon = install();
    const env = { PATH: programs(ALL), npm_execpath: npm() };
    expect(build(tenon, [], env).stderr).toContain('npm install');
    expect(readdirSync(join(tenon, 'build')).sort()).toEqual(['Release', 'cmake', 'tools']);
    const { status, stdout, stderr } = build(tenon, [], env);
    expect([status, stderr.includes('npm install')]).toEqual([0, false]);
    expect(stdout).toMatch(/^The addon is .*tenon\.node; tenon doctor tells its compiler\.\n$/);
  });

  itBuilt.each([
    ['nothing', [], [], 'a C++20 compiler (g++ or clang++), and make, and cmake', 'g++ make cmake'],
    ['no compiler', [], ['make', 'cmake'], 'a C++20 compiler (g++ or clang++)', 'g++'],
    ['no make', [], ['g++', 'cmake', 'python3'], 'make', 'make'],
    ['no cmake', ['--backend', 'cmake'], ['g++', 'make'], 'cmake', 'cmake'],
    ['no python', ['--backend', 'gyp'], ['g++', 'make'], 'python3', 'python3'],
    [
      'no make and no g++ for gyp',
      ['--backend', 'gyp'],
      ['clang++', 'ninja', 'python3'],
      'a C++20 compiler (g++, or the one that CXX names), and make',
      'g++ make',
    ],
  ] as const)(
    'with %s names what is missing, and the commands that install it',
    (_, args, there, missing, packages) => {
      const tenon = install();
      const { status, stderr } = build(tenon, args, { PATH: programs(there) });
      expect(status).toBe(1);
      expect(stderr).toContain(`needs ${missing}:\n`);
      expect(stderr).toContain(
        `\n  Debian, Ubuntu  apt-get install ${packages}\n  Alpine          apk add ${packages}\n`,
      );
      expect(existsSync(join(tenon, 'build'))).toBe(false);
    },
  );

  itBuilt('names the other backend where that has all that it takes', () => {
    const { stderr } = build(install(), ['--backend', 'cmake'], {
      PATH: programs(['g++', 'make', 'python3']),
    });
    expect(stderr).toMatch(/with cmake needs cmake:[^]*has all that --backend gyp takes\.\n$/);
  });

  itBuilt('reports what is missing as JSON', () => {
    const { status, stdout, stderr } = build(install(), ['--json'], { PATH: programs([]) });
    expect([status, stderr]).toEqual([1, '']);
    expect(JSON.parse(stdout)).toMatchObject({ event: 'error', code: 'ERR_TENON_NATIVE' });
  });

  itBuilt('refuses a compiler that is too old, or that CXX names and is not there', () => {
    const old = build(install(), [], { PATH: programs(ALL, '10.2.1') });
    expect([old.status, old.stderr]).toEqual([
      1,
      expect.stringMatching(/needs GCC 11 or newer \(\S+c\+\+ is 10; name another one as CXX=g\+\+-12\)/),
    ]);
    const named = build(install(), [], { PATH: programs(ALL), CXX: 'g++-99 -m64' });
    expect(named.stderr).toMatch(/needs the compiler that CXX names \(there is no g\+\+-99\)/);
  });

  itBuilt('says how to go on where the registry does not answer', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    await new Promise((done) => server.close(done));
    const tenon = install();
    // npm itself, without what this machine has in its cache.
    const { status, stdout, stderr } = build(tenon, ['--json'], {
      PATH: programs(ALL),
      HOME: dir,
      npm_config_cache: join(dir, 'cache'),
      npm_config_registry: `http://127.0.0.1:${port}/`,
      npm_config_fetch_retries: '0',
    });
    expect([status, stderr]).toEqual([1, expect.stringContaining('ECONNREFUSED')]);
    const [start, error] = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { message: string });
    expect(start).toMatchObject({ event: 'start' });
    for (const words of ['npm ping', 'npm config get registry', `\n  ${join(tenon, 'build', 'tools')}`])
      expect(error!.message).toContain(words);
    expect(readdirSync(join(tenon, 'build'))).toEqual([]);
  });

  itBuilt('says who can build where the folder cannot be written', () => {
    const tenon = install();
    chmodSync(dir, 0o755);
    chmodSync(tenon, 0o555);
    // Modes do not bind root.
    const nobody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
    const { status, stderr } = build(tenon, [], { PATH: programs(ALL), npm_execpath: npm() }, nobody);
    chmodSync(tenon, 0o755);
    expect([status, stderr]).toEqual([
      1,
      `tenon: ${join(tenon, 'build')} cannot be written (EACCES): build as the user who installed tenon (sudo npx tenon build after sudo npm install), or install tenon into a folder of your own (npm install tenon)\n`,
    ]);
  });

  itBuilt('passes on what the tools say, and fails with them', () => {
    const env = {
      PATH: programs(ALL),
      npm_execpath: npm(`console.error('no space left'); process.exit(3);`),
    };
    const { status, stdout, stderr } = build(install(), ['--json'], env);
    expect([status, stderr]).toEqual([1, expect.stringContaining('no space left')]);
    expect(JSON.parse(stdout.trim().split('\n').at(-1)!)).toMatchObject({
      event: 'error',
      message: 'the addon was not built (exit 1); what the tools printed on standard error says why',
    });
  });

  itBuilt('ends the compiler when it is told to stop', async () => {
    const wait = `console.error('compiling'); return setTimeout(() => undefined, 300_000);`;
    const env = { PATH: programs(ALL), npm_execpath: npm(`{ ${wait} }`) };
    const child = spawn(process.execPath, [main(install()), 'build'], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const closed = once(child, 'close');
    // The stream ends when nobody holds its other end any more: when the compiler has ended, too.
    let text = '';
    for await (const chunk of child.stderr) {
      text += String(chunk);
      if (child.killed || !text.includes('compiling\n')) continue;
      child.kill('SIGTERM');
    }
    expect((await closed)[0]).toBe(143);
  });
});
