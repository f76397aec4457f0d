'use strict';

// Builds build/Release/tenon.node. Nothing is downloaded: Node-API needs the headers
// of node-api-headers only.
//   node scripts/build-native.js [--backend cmake|gyp] [--openmp]      default: cmake where it is installed
// TENON_WERROR=0|1 decides whether warnings are errors; unset, they are in a git checkout. Not in any CI: it
// may be a user's.

const fs = require('node:fs');
const path = require('node:path');
const { parseArgs } = require('node:util');
const { root, run, onPath, packageBin, script, jobs } = require('./tools.js');

const addon = path.join(root, 'build', 'Release', 'tenon.node');

const werrorByDefault = fs.existsSync(path.join(root, '.git'));
const werror = process.env.TENON_WERROR ? process.env.TENON_WERROR !== '0' : werrorByDefault;

/**
 * Builds with cmake-js in build/cmake, native tests included if asked, and puts the addon in its place. The
 * tests are targets either way: ninja deletes what a target made that is gone, and they would be compiled
 * anew after each build of the addon.
 */
function buildWithCmake({ warningsAreErrors = werror, openmp = false, tests = false } = {}) {
  const folder = path.join(root, 'build', 'cmake');
  const cmakeJs = (command, ...args) =>
    run(process.execPath, [
      packageBin('cmake-js'),
      command,
      '--directory',
      root,
      '--out',
      folder,
      '--log-level',
      'error',
      `--CDTENON_NODE=${process.execPath}`,
      `--CDTENON_WERROR=${warningsAreErrors ? 'ON' : 'OFF'}`,
      `--CDTENON_OPENMP=${openmp ? 'ON' : 'OFF'}`,
      '--CDTENON_TESTS=ON',
      ...args,
    ]);
  // Always configured anew: a source file that came or went changes the list, which cmake itself cannot see.
  try {
    cmakeJs('configure');
  } catch (error) {
    if (!fs.existsSync(folder)) throw error;
    fs.rmSync(folder, { recursive: true }); // a cache made by another generator, compiler or checkout
    cmakeJs('configure');
  }
  cmakeJs('build', '--parallel', String(jobs), ...(tests ? [] : ['--target', 'tenon']));
  install(path.join(folder, 'Release', 'tenon.node'));
}

/** Builds with node-gyp, which works where binding.gyp is: in a folder of its own. */
function buildWithGyp({ warningsAreErrors = werror, openmp = false } = {}) {
  const folder = path.join(root, 'build', 'gyp');
  fs.mkdirSync(folder, { recursive: true });
  fs.copyFileSync(path.join(root, 'native', 'binding.gyp'), path.join(folder, 'binding.gyp'));
  // By environment, which node-gyp puts above its arguments: a user's own nodedir setting must not bring in
  // Node's headers and flags.
  const env = {
    npm_config_nodedir: path.join(root, 'scripts', 'gyp'),
    // binding.gyp runs `node`.
    PATH: [path.dirname(process.execPath), process.env.PATH].join(path.delimiter),
  };
  const nodeGyp = (command, ...args) =>
    run(
      process.execPath,
      [packageBin('node-gyp'), command, '--directory', folder, '--loglevel', 'warn', ...args],
      env,
    );
  const variables = { tenon_werror: warningsAreErrors, tenon_openmp: openmp };
  const defined = Object.entries(variables).map(([name, on]) => `-D${name}=${on ? 1 : 0}`);
  nodeGyp('configure', '--force-process-config', '--', ...defined);
  nodeGyp('build', '--jobs', String(jobs));
  install(path.join(folder, 'build', 'Release', 'tenon.node'));
}

/** Renamed into place, never written over: a process may have the old file mapped. */
function install(built) {
  const temporary = `${addon}.${process.pid}`;
  fs.mkdirSync(path.dirname(addon), { recursive: true });
  fs.copyFileSync(built, temporary);
  fs.renameSync(temporary, addon);
}

/** What runs the compiler where nobody chose. */
const backendHere = () => (onPath('cmake') || !onPath('python3', 'python') ? 'cmake' : 'gyp');

function build(backend, options) {
  const chosen = backend ?? backendHere();
  if (chosen === 'cmake') buildWithCmake(options);
  else if (chosen === 'gyp') buildWithGyp(options);
  else throw new Error(`--backend: expected cmake or gyp, got ${chosen}`);
  console.log(
    `tenon: built ${path.relative(root, addon)} with ${chosen === 'cmake' ? 'cmake-js' : 'node-gyp'}`,
  );
}

if (require.main === module) {
  script(() => {
    const { values } = parseArgs({ options: { backend: { type: 'string' }, openmp: { type: 'boolean' } } });
    build(values.backend, { openmp: values.openmp });
  });
}

module.exports = { addon, backendHere, build, buildWithCmake, onPath, werror };
