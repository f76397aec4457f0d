'use strict';

// What a shared library of Linux (ELF, 64 bit, little endian) asks of the system. Read here, as objdump does
// not know every processor. The tables are found by the section headers, which stripping leaves.

const SECTION = { dynamic: 6, symbols: 11, versions: 0x6fffffff, versionsNeeded: 0x6ffffffe };
const DYNAMIC = { needed: 1, flags: 30 };
const SEGMENT_TLS = 7;
const FLAG_STATIC_TLS = 0x10;

/** @throws Error for anything but a whole 64-bit little-endian ELF file */
function readElf(bytes) {
  if (bytes.length < 64 || bytes.readUInt32BE(0) !== 0x7f454c46 || bytes.readUInt16BE(4) !== 0x0201)
    throw new Error('not a 64-bit little-endian ELF file');
  try {
    return read(bytes);
  } catch (error) {
    // By its name: a Buffer's own errors are of another realm in a test.
    if (error.name === 'RangeError')
      throw new Error('a damaged ELF file: a table leads out of it', { cause: error });
    throw error;
  }
}

function read(bytes) {
  const sections = table(bytes, word(bytes, 40), bytes.readUInt16LE(58), bytes.readUInt16LE(60), 64).map(
    (row) => ({
      type: row.readUInt32LE(4),
      offset: word(row, 24),
      size: word(row, 32),
      link: row.readUInt32LE(40),
    }),
  );
  const segments = table(bytes, word(bytes, 32), bytes.readUInt16LE(54), bytes.readUInt16LE(56), 56);
  const content = (section) => slice(bytes, section.offset, section.size);
  const find = (type) => sections.find((section) => section.type === type);
  /** The strings that a section's table names. */
  const strings = (section) => {
    const linked = sections[section.link];
    if (!linked) throw new RangeError('no string table');
    const text = content(linked);
    return (at) => stringAt(text, at);
  };
  const dynamic = find(SECTION.dynamic);
  if (!dynamic) throw new Error('an ELF file without a dynamic section');
  const entries = rows(content(dynamic), 16).map((row) => ({ tag: word(row, 0), value: word(row, 8) }));
  const needed = entries.filter(({ tag }) => tag === DYNAMIC.needed);
  const tls = segments.find((segment) => segment.readUInt32LE(0) === SEGMENT_TLS);
  return {
    needed: needed.map(({ value }) => strings(dynamic)(value)),
    staticTls: entries.some(({ tag, value }) => tag === DYNAMIC.flags && (value & FLAG_STATIC_TLS) !== 0),
    tlsBytes: tls ? word(tls, 40) : 0,
    ...symbolsOf(find, content, strings),
  };
}

/**
 * Names that the library exports; names that it lacks, with the version and the library that
 * they should have.
 */
function symbolsOf(find, content, strings) {
  const section = find(SECTION.symbols);
  if (!section) return { exported: [], undefined: [] };
  const name = strings(section);
  const versions = find(SECTION.versions);
  const indices = versions ? content(versions) : undefined;
  const required = requiredVersions(find(SECTION.versionsNeeded), content, strings);
  const symbols = rows(content(section), 24).map((row, i) => ({
    name: name(row.readUInt32LE(0)),
    local: row[4] >> 4 === 0,
    defined: row.readUInt16LE(6) !== 0,
    ...(indices && required.get(indices.readUInt16LE(2 * i) & 0x7fff)),
  }));
  const visible = symbols.filter((symbol) => !symbol.local);
  return {
    exported: visible.filter(({ defined }) => defined).map((symbol) => symbol.name),
    undefined: visible
      .filter(({ defined }) => !defined)
      .map((symbol) => ({ name: symbol.name, version: symbol.version, library: symbol.library })),
  };
}

/** Index of a version -> its name, and the library that has it. */
function requiredVersions(section, content, strings) {
  const found = new Map();
  if (!section) return found;
  const bytes = content(section);
  const name = strings(section);
  walk(bytes, 0, 12, (need) => {
    const library = name(bytes.readUInt32LE(need + 4));
    walk(bytes, need + bytes.readUInt32LE(need + 8), 12, (aux) => {
      found.set(bytes.readUInt16LE(aux + 6), { version: name(bytes.readUInt32LE(aux + 8)), library });
    });
  });
  return found;
}

/** Visits the records of a chain, each of which says at `next` how far away the following one is. */
function walk(bytes, start, next, visit) {
  for (let at = start, distance = 1; distance > 0; at += distance) {
    visit(at);
    distance = bytes.readUInt32LE(at + next);
  }
}

function word(bytes, at) {
  const value = bytes.readBigUInt64LE(at);
  return value <= Number.MAX_SAFE_INTEGER ? Number(value) : Infinity;
}

function slice(bytes, offset, size) {
  if (offset + size > bytes.length) throw new RangeError('beyond the end');
  return bytes.subarray(offset, offset + size);
}

function table(bytes, offset, rowSize, count, least) {
  if (count > 0 && rowSize < least) throw new RangeError('rows too short');
  return rows(slice(bytes, offset, rowSize * count), rowSize);
}

function rows(bytes, size) {
  const count = size > 0 ? Math.floor(bytes.length / size) : 0;
  return Array.from({ length: count }, (_, i) => bytes.subarray(i * size, (i + 1) * size));
}

function stringAt(bytes, start) {
  const end = bytes.indexOf(0, start);
  if (start > bytes.length || end < 0) throw new RangeError('a string without an end');
  return bytes.toString('latin1', start, end);
}

module.exports = { readElf };
