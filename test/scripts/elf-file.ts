/** Small shared libraries of Linux, byte by byte, for the tests of what reads them. */

export interface Library {
  readonly needed?: readonly string[];
  readonly exported?: readonly string[];
  /** Name, and the version that it must have: `printf` of `GLIBC_2.2.5` in `libc.so.6`. */
  readonly undefined?: readonly (readonly [name: string, version?: string, library?: string])[];
  readonly tlsBytes?: number;
  readonly staticTls?: boolean;
}

const numbers = (...fields: readonly (readonly [value: number, bytes: 1 | 2 | 4 | 8])[]): Buffer =>
  Buffer.concat(
    fields.map(([value, bytes]) => {
      const field = Buffer.alloc(8);
      field.writeBigUInt64LE(BigInt(value));
      return field.subarray(0, bytes);
    }),
  );

/** A table of strings that grows as they are asked for. */
class Strings {
  private text = '\0';
  at(name: string): number {
    const position = this.text.length;
    this.text += `${name}\0`;
    return position;
  }
  bytes(): Buffer {
    return Buffer.from(this.text, 'latin1');
  }
}

/** The bytes of the library; sections: none, strings, symbols, their versions, versions needed, dynamic. */
export function elfFile({ needed = [], exported = [], undefined: lacks = [], ...tls }: Library): Buffer {
  const strings = new Strings();
  const symbol = (name: string, section: number): Buffer =>
    numbers([strings.at(name), 4], [0x12, 1], [0, 1], [section, 2], [0, 8], [0, 8]);
  const versioned = lacks.filter(([, version]) => version !== undefined);
  const indexOf = (one: (typeof lacks)[number]): number =>
    versioned.includes(one) ? versioned.indexOf(one) + 2 : 1;
  const symbols = [
    Buffer.alloc(24),
    ...lacks.map(([name]) => symbol(name, 0)),
    ...exported.map((name) => symbol(name, 1)),
  ];
  const versions = [0, ...lacks.map(indexOf), ...exported.map(() => 1)].map((index) => numbers([index, 2]));
  const needs = versioned.map(([, version = '', library = ''], i) =>
    Buffer.concat([
      numbers([1, 2], [1, 2], [strings.at(library), 4], [16, 4], [i + 1 < versioned.length ? 32 : 0, 4]),
      numbers([0, 4], [0, 2], [i + 2, 2], [strings.at(version), 4], [0, 4]),
    ]),
  );
  const dynamic = [
    ...needed.map((name) => numbers([1, 8], [strings.at(name), 8])),
    numbers([30, 8], [tls.staticTls ? 0x18 : 8, 8]),
    numbers([0, 8], [0, 8]),
  ];
  return joined(
    [
      [3, 0, strings.bytes()],
      [11, 1, Buffer.concat(symbols)],
      [0x6fffffff, 2, Buffer.concat(versions)],
      ...(needs.length > 0 ? [[0x6ffffffe, 1, Buffer.concat(needs)] as const] : []),
      [6, 1, Buffer.concat(dynamic)],
    ],
    tls.tlsBytes ?? 0,
  );
}

function joined(
  sections: readonly (readonly [type: number, link: number, bytes: Buffer])[],
  tlsBytes: number,
): Buffer {
  const segment = numbers([7, 4], [4, 4], [0, 8], [0, 8], [0, 8], [0, 8], [tlsBytes, 8], [8, 8]);
  let offset = 64 + segment.length;
  const headers: Buffer[] = [Buffer.alloc(64)];
  for (const [type, link, bytes] of sections) {
    headers.push(
      numbers(
        [0, 4],
        [type, 4],
        [0, 8],
        [0, 8],
        [offset, 8],
        [bytes.length, 8],
        [link, 4],
        [0, 4],
        [1, 8],
        [0, 8],
      ),
    );
    offset += bytes.length;
  }
  const header = Buffer.concat([
    Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
    numbers([3, 2], [62, 2], [1, 4], [0, 8], [64, 8], [offset, 8], [0, 4]),
    numbers([64, 2], [56, 2], [1, 2], [64, 2], [headers.length, 2], [0, 2]),
  ]);
  return Buffer.concat([header, segment, ...sections.map(([, , bytes]) => bytes), ...headers]);
}
