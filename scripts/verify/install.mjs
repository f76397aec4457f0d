/**
 * tenon from a registry: its tarballs are published to a registry on loopback, and then installed into empty
 * folders by package managers, runtimes and on systems that people have, where nothing can compile; there a
 * network trains, in ESM and CommonJS.
 */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { inTemporary } from './process.mjs';
import { check, megabytes, root, Skipped } from './report.mjs';
import { CASES } from './install/cases.mjs';
import { succeed } from './install/commands.mjs';
import { startRegistry } from './install/registry.mjs';
import { node, verdaccio } from './install/tools.mjs';

const goal = 'installs without a compiler and without scripts, and a network trains in ESM and CommonJS';

/** The packages to publish. @throws if npm would run something when it installs one */
async function tarballs(folder) {
  const names = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.tgz')) : [];
  if (names.length === 0) throw new Skipped(`no tarballs in ${folder}: npm run package makes them`);
  const found = [];
  for (const name of names) {
    const file = join(folder, name);
    const { stdout: manifest } = await succeed(['tar', '-xzOf', file, 'package/package.json']);
    const { stdout: files } = await succeed(['tar', '-tzf', file]);
    const runs = JSON.parse(manifest).scripts !== undefined || files.includes('package/binding.gyp\n');
    if (runs) throw new Error(`${name} has scripts or binding.gyp, on which package managers act`);
    found.push({ name, file, bytes: statSync(file).size });
    console.log(`${name}: ${megabytes(found.at(-1).bytes, 2)}`);
  }
  return found;
}

async function runCase(name, surroundings) {
  const { what, run } = CASES[name];
  const failed = (status, error) => [{ status, note: String(error.message).split('\n')[0] }];
  let rows;
  try {
    rows = await run({ ...surroundings, folder: join(surroundings.folder, name) });
  } catch (error) {
    rows = failed(error instanceof Skipped ? 'SKIPPED' : 'FAIL', error);
  }
  return rows.map((row) => ({ name, what, status: 'PASS', ...row }));
}

const SHOWN = 160;
const HEAD = ['', 'case', 'what', 'how', 'install, s', 'trained, s', 'MB', 'packages'];
function line({ status, name, what, how = '', install, trained, megabytes, packages, note = '' }) {
  const number = (value, digits = 1) => value?.toFixed(digits) ?? '';
  const cells = [
    status,
    name,
    what,
    how,
    number(install),
    number(trained),
    number(megabytes),
    packages?.length || '',
  ];
  return `| ${cells.join(' | ')} | ${note.length > SHOWN ? `${note.slice(0, SHOWN)}...` : note} |`;
}

/** Weights that were trained on this processor: they do not depend on Node or the C library. */
const digests = (rows) =>
  new Set(rows.filter(({ info }) => info?.build.includes('x64')).map(({ weights }) => weights));

function chosen(only) {
  const names = only === '' ? Object.keys(CASES) : only.split(',');
  const unknown = names.filter((name) => !(name in CASES));
  if (unknown.length > 0)
    throw new Error(`no case named ${unknown.join(', ')}; there are ${Object.keys(CASES).join(', ')}`);
  return names;
}

await check('install', goal, { only: '', packages: 'build/packages' }, async ({ only, packages }) => {
  const names = chosen(only);
  const published = await tarballs(resolve(root, packages));
  return inTemporary(async (folder) => {
    const registry = await startRegistry({
      node: await node(22),
      program: await verdaccio(),
      folder: join(folder, 'registry'),
    });
    try {
      await registry.publish(published.map(({ file }) => file));
      console.log(`| ${HEAD.join(' | ')} | note |\n|${' --- |'.repeat(HEAD.length + 1)}`);
      const rows = [];
      for (const name of names)
        for (const row of await runCase(name, { folder, registry: registry.url })) {
          rows.push(row);
          console.log(line(row));
        }
      const count = (status) => rows.filter((row) => row.status === status).length;
      const same = digests(rows);
      return {
        pass: count('FAIL') === 0 && count('PASS') > 0 && same.size <= 1,
        figure: `${count('PASS')} of ${rows.length} work, ${count('SKIPPED')} skipped; ${same.size} SHA-256 of the weights on x64`,
        details: { published: published.map(({ name, bytes }) => ({ name, bytes })), rows },
      };
    } finally {
      await registry.stop();
    }
  });
});
