/**
 * Loaded before anything else: counts the file operations of the process from the first one in
 * TENON_KILL_DIRECTORY on, and kills the process with SIGKILL instead of the TENON_KILL_AT'th.
 */
const fs = require('node:fs');
const { syncBuiltinESMExports } = require('node:module');

const killAt = Number(process.env.TENON_KILL_AT);
const directory = process.env.TENON_KILL_DIRECTORY;
const operations = (globalThis.operationsOfKillAt = []);

function count(owner, name) {
  const original = owner[name];
  owner[name] = function (...args) {
    if (operations.length > 0 || (typeof args[0] === 'string' && args[0].startsWith(directory))) {
      operations.push(name);
      if (operations.length === killAt) process.kill(process.pid, 'SIGKILL');
    }
    return Reflect.apply(original, this, args);
  };
}

const asynchronous = [
  'open',
  'mkdir',
  'link',
  'rename',
  'unlink',
  'rm',
  'readdir',
  'stat',
  'readFile',
  'realpath',
];
for (const name of asynchronous) count(fs.promises, name);
for (const name of ['openSync', 'writeFileSync', 'closeSync', 'unlinkSync', 'rmdirSync', 'createReadStream'])
  count(fs, name);
syncBuiltinESMExports();

// The class of file handles is not exported.
fs.promises.open(__filename).then(async (handle) => {
  const prototype = Object.getPrototypeOf(handle);
  await handle.close();
  for (const name of ['write', 'sync', 'close']) count(prototype, name);
});
