/**
 * What the header of an addon's file tells. The system's loader maps a truncated file all the same, and the
 * process ends with SIGBUS where a page is missing; so files are looked at first.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

const HEADER = 64;
const MACHINES: Readonly<Record<number, string>> = {
  3: 'ia32',
  40: 'arm',
  62: 'x64',
  183: 'arm64',
  243: 'riscv64',
};
const FOREIGN: Readonly<Record<string, string>> = { '4d5a': 'Windows', cffa: 'macOS', cafe: 'macOS' };

/**
 * Why this process cannot load the file; undefined where its header tells nothing against it. Only files of
 * Linux are looked into.
 * @throws what opening the file throws
 */
export function problemOf(file: string): string | undefined {
  const header = Buffer.alloc(HEADER);
  const descriptor = openSync(file, 'r');
  let size: number;
  try {
    size = fstatSync(descriptor).size;
    readSync(descriptor, header, 0, HEADER, 0);
  } finally {
    closeSync(descriptor);
  }
  if (size === 0) return 'the file is empty';
  return process.platform === 'linux' ? problemOfElf(header, size) : undefined;
}

function problemOfElf(header: Buffer, size: number): string | undefined {
  if (header.toString('latin1', 0, 4) !== '\x7fELF') {
    const system = FOREIGN[header.toString('hex', 0, 2)];
    return system === undefined
      ? 'the file is damaged: it is not a library'
      : `the file is made for ${system}`;
  }
  if (size < HEADER) return `the file is truncated: it has ${size} bytes`;
  const machine = header.readUInt16LE(0x12);
  if (MACHINES[machine] !== process.arch)
    return `the file is made for ${MACHINES[machine] ?? 'another processor'}, and this process runs on ${process.arch}`;
  // The table of sections is the last thing in the file.
  const end = Number(header.readBigUInt64LE(0x28)) + header.readUInt16LE(0x3a) * header.readUInt16LE(0x3c);
  return size < end ? `the file is truncated: it has ${size} of ${end} bytes` : undefined;
}
