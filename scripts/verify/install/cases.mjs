/** The cases: each a place, a package manager and what a user does there. */
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { arm64Place, hostPlace, muslPlace } from './places.mjs';
import { copyScripts, installAndTrain, train, trainBoth, useFeatures } from './project.mjs';
import { NODE, npmPackage } from './tools.mjs';
import { bundle, devDependencies, lockfiles, omitted, typescript } from './situations.mjs';

const NPM = { 10: '10.8.2', 11: '11.19.1', 12: '12.2.2' };
const PNPM = '12.21.0';
const YARN = '4.18.1';
const BUN = '1.4.5';
const DENO = '2.9.6';
const SHARP = `sharp@${devDependencies.sharp}`;

const npmFolder = (major) => npmPackage(`npm@${NPM[major]}`);

/** A program that a package of the npm registry holds. */
async function program(spec, file) {
  const path = join(await npmPackage(spec), file);
  chmodSync(path, 0o755);
  return path;
}

const npmCommands = (flags = []) => ({
  install: ['npm', 'install', 'tenon', ...flags],
  doctor: ['npx', 'tenon', 'doctor'],
});

/** The default settings, and with scripts refused. */
async function bothWays(at, commands, needs) {
  const rows = [];
  for (const flags of [[], ['--ignore-scripts']])
    rows.push({ how: flags.join(' ') || 'default', ...(await installAndTrain(at, commands(flags), needs)) });
  return rows;
}

const npmCase = (major, line) => ({
  what: `npm ${NPM[major]}, Node ${NODE[line]}`,
  run: async ({ folder, registry }) => {
    const at = await hostPlace(folder, { registry, major: line, npm: await npmFolder(major) });
    return bothWays(at, npmCommands);
  },
});

/** A host with Node 22 and npm 12. */
const usual = async (folder, registry) =>
  hostPlace(folder, { registry, major: 22, npm: await npmFolder(12) });

const pnpm = {
  what: `pnpm ${PNPM}, Node ${NODE[22]}`,
  run: async ({ folder, registry }) => {
    const more = { pnpm: await program(`@pnpm/exe.linux-x64@${PNPM}`, 'pnpm') };
    const at = await hostPlace(folder, { registry, major: 22, more });
    return bothWays(at, (flags) => ({
      install: ['pnpm', 'install', 'tenon', ...flags],
      doctor: ['pnpm', 'exec', 'tenon', 'doctor'],
    }));
  },
};

/** Yarn wants a package.json; with Plug'n'Play, modules need `"type": "module"` there. */
const yarnCase = (linker, manifest, where) => ({
  what: `yarn ${YARN} (${linker}), Node ${NODE[22]}`,
  run: async ({ folder, registry }) => {
    const more = { yarn: await program(`@yarnpkg/cli-dist@${YARN}`, 'bin/yarn.js') };
    const at = await hostPlace(folder, { registry, major: 22, more });
    const env = {
      YARN_NODE_LINKER: linker,
      YARN_NPM_REGISTRY_SERVER: registry,
      YARN_UNSAFE_HTTP_WHITELIST: '127.0.0.1',
      YARN_ENABLE_TELEMETRY: '0',
    };
    const commands = {
      install: ['yarn', 'add', 'tenon'],
      node: ['yarn', 'node'],
      doctor: ['yarn', 'tenon', 'doctor'],
      env,
      prepare: (project) => writeFileSync(join(project, 'package.json'), JSON.stringify(manifest)),
      where,
    };
    return [{ how: 'default', ...(await installAndTrain(at, commands)) }];
  },
});

const bun = {
  what: `Bun ${BUN}`,
  run: async ({ folder, registry }) => {
    const more = { bun: await program(`@oven/bun-linux-x64@${BUN}`, 'bin/bun') };
    const at = await hostPlace(folder, { registry, more });
    const commands = (flags) => ({
      install: ['bun', 'install', 'tenon', ...flags],
      node: ['bun', 'run'],
      doctor: ['bun', 'x', '--bun', 'tenon', 'doctor'],
    });
    const rows = await bothWays(at, commands, 'bun');
    return [...rows, await useFeatures(at, commands([SHARP]))];
  },
};

const deno = {
  what: `Deno ${DENO}`,
  run: async ({ folder, registry }) => {
    const more = { deno: await program(`@deno/linux-x64-glibc@${DENO}`, 'deno') };
    const at = await hostPlace(folder, { registry, more });
    const commands = {
      install: ['deno', 'add', 'npm:tenon'],
      node: ['deno', 'run', '-A'],
      doctor: ['deno', 'run', '-A', 'npm:tenon', 'doctor'],
      env: { NO_COLOR: '1', DENO_NO_UPDATE_CHECK: '1' },
      where: (_, home) => join(home, '.cache', 'deno', 'npm'),
    };
    const row = { how: 'default', ...(await installAndTrain(at, commands, 'deno')) };
    const install = [...commands.install, `npm:${SHARP}`];
    return [row, await useFeatures(at, { ...commands, install })];
  },
};

/** One installation, whose addon each Node loads. */
const nodes = {
  what: 'one installation, every Node',
  run: async ({ folder, registry }) => {
    const at = await usual(join(folder, 'npm'), registry);
    const project = at.emptyFolder();
    await at.succeed(['npm', 'install', 'tenon'], { cwd: project });
    const rows = [];
    for (const [major, version] of Object.entries(NODE)) {
      const other = await hostPlace(join(folder, major), { registry, major, npm: await npmFolder(10) });
      const { esm, commonjs } = await trainBoth(other, project, npmCommands());
      rows.push({ ...esm, how: `Node ${version}`, trained: esm.seconds, commonjs: commonjs.seconds });
    }
    return rows;
  },
};

/** npm on this machine installs for another one, and the other trains. */
async function installedElsewhere(at, { folder, registry }) {
  const here = await usual(join(folder, 'elsewhere'), registry);
  const project = at.emptyFolder();
  const { os, cpu, libc } = { os: 'linux', cpu: at.cpu, libc: at.libc };
  const flags = [`--os=${os}`, `--cpu=${cpu}`, `--libc=${libc}`];
  const { seconds } = await here.succeed(['npm', 'install', 'tenon', ...flags], { cwd: project });
  copyScripts(project);
  const trained = await train(at, project, 'esm.mjs');
  return {
    ...trained,
    how: `npm elsewhere, ${flags.join(' ')}`,
    install: seconds,
    trained: seconds + trained.seconds,
  };
}

const musl = {
  what: `npm ${NPM[12]}, Node for musl`,
  run: async ({ folder, registry }) => {
    const at = await muslPlace(folder, { registry, npm: await npmFolder(12) });
    return [...(await bothWays(at, npmCommands)), await installedElsewhere(at, { folder, registry })];
  },
};

const arm64Case = (libc) => ({
  what: `npm ${NPM[12]}, Node for arm64 and ${libc}, emulated`,
  run: async ({ folder, registry }) => {
    const at = await arm64Place(folder, { registry, npm: await npmFolder(12), libc });
    const elsewhere = await installedElsewhere(at, { folder, registry });
    return [{ how: 'default', ...(await installAndTrain(at, npmCommands())) }, elsewhere];
  },
});

const situation = (what, npm, line, work) => ({
  what,
  run: async ({ folder, registry }) => {
    const at = await hostPlace(folder, { registry, major: line, npm: await npmFolder(npm) });
    return work(at);
  },
});

export const CASES = {
  npm12: npmCase(12, 22),
  npm11: npmCase(11, 20),
  npm10: npmCase(10, 20),
  pnpm,
  yarn: yarnCase('node-modules', {}),
  'yarn-pnp': yarnCase('pnp', { type: 'module' }, (_, home) => join(home, '.yarn', 'berry')),
  bun,
  deno,
  nodes,
  musl,
  arm64: arm64Case('glibc'),
  'arm64-musl': arm64Case('musl'),
  lockfile: situation(`a lockfile of another system, npm ${NPM[10]}`, 10, 20, lockfiles),
  omitted: situation(`without optional dependencies, npm ${NPM[12]}`, 12, 22, omitted),
  typescript: situation('a strict TypeScript project', 12, 22, typescript),
  bundle: situation('bundled by esbuild', 12, 22, bundle),
};
