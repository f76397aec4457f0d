'use strict';

// A package as npm publishes it, a gzipped tar, whose bytes depend on the files' names and contents alone.

const fs = require('node:fs');
const path = require('node:path');
const zlib = require('node:zlib');
const tar = require('tar-stream');

/** npm's own: a time that every program that unpacks can show. */
const TIME = new Date('1985-10-26T08:15:00.000Z');

/** The files under a folder, by their paths from it, in the order of their code units. */
function filesOf(folder) {
  return fs
    .readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(folder, path.join(entry.parentPath ?? entry.path, entry.name)))
    .map((file) => file.split(path.sep).join('/'))
    .sort();
}

/** The bytes of the tarball of a folder. Files that their owner may run, all may run. */
async function tarball(folder) {
  const pack = tar.pack();
  for (const file of filesOf(folder)) {
    const full = path.join(folder, file);
    const mode = fs.statSync(full).mode & 0o100 ? 0o755 : 0o644;
    const header = { name: `package/${file}`, mode, mtime: TIME, uid: 0, gid: 0, uname: '', gname: '' };
    pack.entry(header, fs.readFileSync(full));
  }
  pack.finalize();
  const chunks = [];
  for await (const chunk of pack) chunks.push(chunk);
  return zlib.gzipSync(Buffer.concat(chunks), { level: 9 });
}

module.exports = { tarball };
