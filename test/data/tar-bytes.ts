/** Tar archives byte by byte, for what no packer would write. */

const BLOCK = 512;

/** What a header says; fields that are absent are what they usually are. */
export interface HeaderFields {
  readonly name?: string;
  /** Written as it is into the 12 bytes of the size field; a number as octal digits. */
  readonly size?: number | Uint8Array | string;
  readonly type?: string;
  readonly magic?: string;
}

export function tarHeader({
  name = 'train/a/1.png',
  size = 0,
  type = '0',
  magic = 'ustar\x0000',
}: HeaderFields): Buffer {
  const block = Buffer.alloc(BLOCK);
  block.write(name, 0, 100);
  block.write('0000644\x000000000\x000000000\x00', 100);
  const field = typeof size === 'number' ? `${size.toString(8).padStart(11, '0')}\x00` : size;
  block.set(Buffer.from(field).subarray(0, 12), 124);
  block.write('00000000000\x00', 136);
  block.write(type, 156);
  block.write(magic, 257, 'latin1');
  return withChecksum(block);
}

/** Sets the checksum of a header. */
export function withChecksum(block: Buffer): Buffer {
  block.fill(0x20, 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\x00 `, 148);
  return block;
}

/** A header and its content, padded. */
export function tarPart(fields: HeaderFields, content: Uint8Array | string = ''): Buffer {
  const bytes = Buffer.from(content);
  const padding = Buffer.alloc((BLOCK - (bytes.length % BLOCK)) % BLOCK);
  return Buffer.concat([tarHeader({ size: bytes.length, ...fields }), bytes, padding]);
}

/** An archive of parts, with its end. */
export function tarArchive(...parts: readonly Uint8Array[]): Buffer {
  return Buffer.concat([...parts, Buffer.alloc(2 * BLOCK)]);
}

/** PAX records, `LENGTH KEY=VALUE\n` each. */
export function paxRecords(records: Readonly<Record<string, string>>): string {
  return Object.entries(records)
    .map(([key, value]) => {
      const rest = ` ${key}=${value}\n`;
      const bytes = Buffer.byteLength(rest);
      const guess = String(bytes).length + bytes;
      return `${String(guess).length + bytes}${rest}`;
    })
    .join('');
}
