/** Packages of Debian for both processors, by apt with settings of its own: nothing is installed. */
import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Skipped } from '../report.mjs';
import { need, succeed } from './commands.mjs';
import { once } from './tools.mjs';

/** The first one whose musl knows what Node's builds for musl need (relative relocations, musl 1.2.4). */
const RELEASE = 'trixie';
const KEYS = '/usr/share/keyrings/debian-archive-keyring.gpg';

/** The mirror of Debian that this machine uses. */
async function mirror() {
  need('apt-get', 'dpkg-deb');
  if (!existsSync(KEYS)) throw new Skipped('no keys of Debian (debian-archive-keyring)');
  const format = ['--format', '$(ORIGIN) $(SITE)', 'Created-By: Packages'];
  const { stdout } = await succeed(['apt-get', 'indextargets', ...format]);
  const found = stdout.split('\n').find((line) => /^Debian \S+$/.test(line) && !line.endsWith('-security'));
  if (found === undefined) throw new Skipped('apt knows no mirror of Debian (apt-get update)');
  return found.split(' ')[1];
}

/** apt-get with all its files below `folder`. */
const aptGet = (folder, ...args) => [
  'apt-get',
  ...['-o', `Dir=${folder}`, '-o', 'APT::Architectures::=amd64', '-o', 'APT::Architectures::=arm64'],
  // As root, apt would fetch as a user who may not write here.
  ...['-o', 'Acquire::Languages=none', '-o', 'APT::Sandbox::User=root'],
  ...args,
];

const lists = () =>
  once(`debian-${RELEASE}`, async (folder) => {
    const source = `deb [signed-by=${KEYS}] ${await mirror()} ${RELEASE} main\n`;
    for (const name of [
      'etc/apt',
      'var/lib/apt/lists/partial',
      'var/lib/dpkg',
      'var/cache/apt/archives/partial',
    ])
      mkdirSync(join(folder, name), { recursive: true });
    writeFileSync(join(folder, 'etc', 'apt', 'sources.list'), source);
    writeFileSync(join(folder, 'var', 'lib', 'dpkg', 'status'), '');
    await succeed(aptGet(folder, 'update'));
  });

/** A folder with packages of Debian, unpacked over each other. `cpu`: amd64, arm64 */
export const debian = (cpu, ...packages) =>
  once(`debian-${cpu}-${packages.join('-')}`, async (folder) => {
    const wanted = packages.map((name) => `${name}:${cpu}`);
    await succeed(aptGet(await lists(), 'download', ...wanted), { cwd: folder });
    for (const file of readdirSync(folder).filter((name) => name.endsWith('.deb'))) {
      await succeed(['dpkg-deb', '-x', join(folder, file), folder]);
      rmSync(join(folder, file));
    }
  });

/** Puts musl's loader where programs for it look for it, under `prefix`. `cpu`: x86_64, aarch64 */
export async function muslLoader(cpu, prefix) {
  const folder = await debian(cpu === 'x86_64' ? 'amd64' : 'arm64', 'musl');
  mkdirSync(join(prefix, 'lib'), { recursive: true });
  const name = `ld-musl-${cpu}.so.1`;
  copyFileSync(join(folder, 'usr', 'lib', name), join(prefix, 'lib', name));
}
