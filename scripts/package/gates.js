'use strict';

// What every prebuilt addon must keep to, so that it loads on the oldest system that we promise.

const { symbols } = require('node-api-headers');
const { readElf } = require('./elf.js');

const MOST_BYTES = 8_000_000;
const NEWEST_GLIBC = '2.28';
/** The dynamic linker has about 1.6 kB for all libraries that a program loads while it runs. */
const MOST_TLS_BYTES = 512;

const entryPoints = ['napi_register_module_v1', 'node_api_module_get_api_version_v1', 'tenon_owner'];

const libraries = {
  glibc: /^(lib(c|m|pthread|dl)\.so\.\d+|ld-linux-(x86-64|aarch64)\.so\.\d+)$/,
  // musl's loader knows itself as libc.so, under whichever name it is installed.
  musl: /^libc\.so$/,
};

const nodeApi = new Set([...symbols.v8.js_native_api_symbols, ...symbols.v8.node_api_symbols]);

const parts = (version) => version.split('.').map(Number);

/** Whether version a is newer than b: 2.30 is newer than 2.4. */
function isNewer(a, b) {
  const [x, y] = [parts(a), parts(b)];
  const i = x.findIndex((part, at) => part !== (y[at] ?? 0));
  return i >= 0 && x[i] > (y[i] ?? 0);
}

/** Whether the system has an undefined symbol: the C library does, or Node. */
function isProvided({ name, version, library }, libc, muslNames) {
  if (nodeApi.has(name)) return true;
  return libc === 'glibc' ? version !== undefined && libraries.glibc.test(library) : muslNames.has(name);
}

/**
 * GLIBC versions come with a number; any other (GLIBCXX, CXXABI, GLIBC_PRIVATE) is one that we may
 * not ask for.
 */
function isOldEnough({ version }) {
  if (version === undefined) return true;
  const number = /^GLIBC_(\d+(\.\d+)+)$/.exec(version)?.[1];
  return number !== undefined && !isNewer(number, NEWEST_GLIBC);
}

/** At most ten names: a library that is not ours at all may lack thousands. */
const list = (names) =>
  [...names.slice(0, 10), ...(names.length > 10 ? [`${names.length - 10} more`] : [])].join(', ');

const named = (symbol) => (symbol.version ? `${symbol.name}@${symbol.version}` : symbol.name);

/** What is wrong with an addon, as sentences; none where it is as it should be. */
function faultsOf(bytes, { os, libc }, muslNames = new Set()) {
  const faults = [];
  const check = (wrong, sentence) => wrong.length > 0 && faults.push(`${sentence}: ${list(wrong)}`);
  if (bytes.length >= MOST_BYTES)
    faults.push(`it has ${bytes.length} bytes, allowed are fewer than ${MOST_BYTES}`);
  if (os !== 'linux') return faults;
  const elf = readElf(bytes);
  const lacking = elf.undefined.filter((symbol) => !isProvided(symbol, libc, muslNames));
  const old = elf.undefined.filter((symbol) => !isOldEnough(symbol));
  check(
    elf.needed.filter((name) => !libraries[libc].test(name)),
    'it needs libraries that a system may lack',
  );
  check(lacking.map(named), 'neither Node-API nor the C library has these symbols');
  check(old.map(named), `these symbols need more than GLIBC_${NEWEST_GLIBC}`);
  check(
    elf.exported.filter((name) => !entryPoints.includes(name)),
    'it exports more than its entry points',
  );
  check(
    entryPoints.filter((name) => !elf.exported.includes(name)),
    'it does not export',
  );
  if (elf.staticTls || elf.tlsBytes > MOST_TLS_BYTES)
    faults.push(
      `its thread-local memory cannot be relied on: ${elf.tlsBytes} bytes${elf.staticTls ? ', static' : ''}`,
    );
  return faults;
}

/** One line about an addon that passed. */
function summary(bytes, { os }) {
  const size = `${(bytes.length / 1e6).toFixed(2)} MB`;
  if (os !== 'linux') return size;
  const elf = readElf(bytes);
  const versions = elf.undefined.flatMap(({ version }) => version?.replace('GLIBC_', '') ?? []);
  const newest = versions.reduce((best, version) => (isNewer(version, best) ? version : best), '0');
  const asks = versions.length > 0 ? [`GLIBC_${newest}`] : [];
  return [size, ...asks, elf.needed.join(' '), `${elf.tlsBytes} bytes per thread`].join(', ');
}

module.exports = { faultsOf, summary };
