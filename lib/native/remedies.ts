/** The error of an addon that does not load: what was looked for, what was found, and what helps. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { NativeError } from '../errors';
import type { Platform } from './platform';

/** What loading reads of a package.json. */
export interface Manifest {
  readonly name?: string;
  readonly version: string;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

/** tenon's folder and package.json. */
export interface Home {
  readonly folder: string;
  readonly manifest: Manifest;
  /** Folders of node_modules where its dependencies are looked for. */
  readonly modules: readonly string[];
}

/** One place where the addon was looked for, in vain. */
export interface Attempt {
  readonly from: 'local build' | 'package';
  /** The file or the package. */
  readonly where: string;
  readonly found: 'nothing' | 'another version' | 'a file that does not load';
  readonly why: string;
  readonly cause: unknown;
}

export function readManifest(folder: string): Manifest | undefined {
  try {
    return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;
  } catch {
    return undefined;
  }
}

/** How the addon is built here. */
function buildCommand({ manifest }: Home): string {
  return manifest.devDependencies === undefined ? 'npx tenon build' : 'npm run build:native';
}

/** Platform packages that are installed. */
function installed(home: Home): string[] {
  const found = home.modules.flatMap((modules) => {
    const scope = join(modules, '@tenon');
    try {
      return readdirSync(scope).map(
        (name) => `@tenon/${name} ${readManifest(join(scope, name))?.version ?? '(without a package.json)'}`,
      );
    } catch {
      return [];
    }
  });
  return [...new Set(found)].sort();
}

/** Whether npm's lockfile of the project leaves the package out. */
function lockfileLacks(home: Home, packageName: string): boolean {
  const lockfile = home.modules
    .map((modules) => join(dirname(modules), 'package-lock.json'))
    .find((file) => existsSync(file));
  if (lockfile === undefined) return false;
  try {
    return !readFileSync(lockfile, 'utf8').includes(`node_modules/${packageName}"`);
  } catch {
    return false;
  }
}

/** Why a library that the system refused was refused, as its message tells, and what helps. */
function refusal(text: string, code: unknown): string | undefined {
  if (code === 'ERR_DLOPEN_DISABLED' || /disabled by the permission|--allow-addons/i.test(text))
    return 'Addons are disabled. Start node without --no-addons, and with --allow-addons if you use the permission model.';
  if (code === 'ERR_ACCESS_DENIED')
    return 'The permission model hides the addon. Start node with --allow-addons and --allow-fs-read for node_modules.';
  const glibc = /version [`']GLIBC_([\d.]+)' not found/.exec(text)?.[1];
  if (glibc !== undefined)
    return `The addon needs glibc ${glibc} or newer, and this system's is older: use a newer system, or build the addon here.`;
  if (/GLIBCXX_|CXXABI_|libstdc\+\+|libgcc_s/.test(text))
    return 'The addon was built with a C++ library that this system lacks. Install it (apt-get install libstdc++6, apk add libstdc++), or build the addon here.';
  if (/musl|\blibc\.so: /.test(text))
    return 'The addon was built for musl (Alpine), and this system has glibc.';
  if (/ld-linux|Error relocating|symbol not found/.test(text))
    return 'The addon was built for glibc, and this system has musl (Alpine).';
  if (/failed to map segment|Operation not permitted/.test(text))
    return 'The system does not run code from this folder: mount it without noexec.';
  if (/Permission denied/.test(text)) return 'The file cannot be read: mend its permissions.';
  return undefined;
}

/** What helps where the platform package is not there. */
function missingPackage(home: Home, { packageName, shown, npmFlags }: Platform): string[] {
  const [os, cpu] = [process.platform, process.arch];
  const omitted = [
    'If optional dependencies were left out (--omit=optional, --no-optional):',
    '  npm install --include=optional tenon',
  ];
  const another = [
    'If node_modules or the lockfile was made on another system (https://github.com/npm/cli/issues/4828):',
    '  rm -rf node_modules package-lock.json && npm install',
  ];
  const made = lockfileLacks(home, packageName) || installed(home).length > 0;
  return [
    ...(made ? [...another, ...omitted] : [...omitted, ...another]),
    `To install for ${shown} on another system:`,
    `  npm: npm install ${npmFlags} tenon`,
    '  pnpm: supportedArchitectures in pnpm-workspace.yaml, then pnpm install',
    '  yarn: supportedArchitectures in .yarnrc.yml, then yarn install',
    `  bun: bun install --os=${os} --cpu=${cpu}`,
    'If a bundler packed tenon into your program: leave it outside (esbuild --external:tenon).',
    'Where nothing can be downloaded, build the addon:',
    `  ${buildCommand(home)}`,
  ];
}

function remedyOf(attempt: Attempt, home: Home, platform: Platform): string[] {
  const { from, found, where, cause } = attempt;
  const prebuilt = Object.keys(home.manifest.optionalDependencies ?? {}).filter((name) =>
    name.startsWith('@tenon/'),
  );
  if (from === 'package' && found === 'nothing') {
    if (prebuilt.includes(platform.packageName)) return missingPackage(home, platform);
    const names = prebuilt.map((name) => name.slice('@tenon/'.length)).join(', ');
    const some = names === '' ? '' : ` There are prebuilt addons for ${names} only.`;
    return [`Build the addon, which takes a C++ compiler.${some}`, `  ${buildCommand(home)}`];
  }
  if (from === 'package' && found === 'another version')
    return [
      'The platform package and tenon must have the same version. Install both anew:',
      '  rm -rf node_modules && npm install',
      `  npm ls ${where.split(' ')[0]} shows who asks for the other one`,
    ];
  const why = refusal(attempt.why, (cause as { code?: unknown } | undefined)?.code);
  if (why?.startsWith('Addons are disabled')) return [why];
  if (from === 'local build')
    return found === 'nothing'
      ? []
      : [
          ...(why === undefined ? [] : [why]),
          'Build the local addon anew, or remove it to use the platform package:',
          `  ${buildCommand(home)}`,
          `  rm -r ${dirname(where)}`,
        ];
  return why === undefined
    ? ['Install the platform package anew:', '  rm -rf node_modules && npm install']
    : [why, `  ${buildCommand(home)}`];
}

/** The addon could not be loaded from any place. */
export function loadError(attempts: readonly Attempt[], home: Home, platform: Platform): NativeError {
  const others = installed(home).filter((name) => !name.startsWith(`${platform.packageName} `));
  const looked = attempts.map(({ from, where, why }) => `  ${from} ${where}: ${why}`);
  const remedies = attempts.flatMap((attempt) => remedyOf(attempt, home, platform));
  return new NativeError(
    [
      `tenon's addon could not be loaded on ${platform.shown}, Node ${process.versions.node}. Looked for:`,
      ...looked,
      ...(others.length > 0 ? [`Found instead: ${others.join(', ')}`] : []),
      ...new Set(remedies),
      'docs/installation.md of tenon has more.',
    ].join('\n'),
    { cause: new AggregateError(attempts.map(({ cause, why }) => cause ?? new Error(why))) },
  );
}

/** Two copies of tenon in one process whose addons differ. */
export function copiesError(first: string, second: string, { version }: Manifest): NativeError {
  const one = `"tenon": "${version}"`;
  return new NativeError(
    [
      `two copies of tenon with addons of their own are loaded in this process: ${first} is in use, and ${second} was loaded now.`,
      'Each would start threads of its own for all cores, and neither could use the tensors of the other.',
      'Find out who asks for them, and let all have one version:',
      `  npm: npm ls tenon; npm dedupe, or "overrides": { ${one} } in package.json and npm install`,
      `  pnpm: pnpm why -r tenon; pnpm dedupe, or overrides: { ${one} } in pnpm-workspace.yaml and pnpm install`,
      `  yarn: yarn why tenon; yarn dedupe tenon, or "resolutions": { ${one} } in package.json and yarn install`,
      `  bun: bun why tenon; "overrides": { ${one} } in package.json and bun install`,
      'Copies of one version share a platform package. A local build (tenon build) belongs to its copy only:',
      'remove its folder build/Release, and all share.',
      'After an upgrade in place, start the process again.',
    ].join('\n'),
  );
}
