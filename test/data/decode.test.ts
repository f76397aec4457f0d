import sharp from 'sharp';
import { type DecodeTarget, decode, probe } from '../../lib/data/decode';
import type * as decodeModule from '../../lib/data/decode';
import { noise } from '../support/noise';
import { failure } from './helpers';

const raw = (pixels: number[], width: number, height: number, channels: 1 | 2 | 3 | 4): sharp.Sharp =>
  sharp(Uint8Array.from(pixels), { raw: { width, height, channels } });

async function decoded(image: Uint8Array, target: DecodeTarget): Promise<number[]> {
  const out = new Uint8Array(target.height * target.width * target.channels);
  await decode(image, 'x.png', target, out);
  return [...out];
}
const colours = [255, 0, 0, 0, 255, 0, 0, 0, 255, 10, 20, 30];
const square = { height: 2, width: 2 };

describe('colour rules', () => {
  test.each(['png', 'webp'] as const)(
    'lossless RGB %s comes out as it went in, interleaved',
    async (kind) => {
      const image = await raw(colours, 2, 2, 3).toFormat(kind, { lossless: true }).toBuffer();
      expect(await decoded(image, { ...square, channels: 3 })).toEqual(colours);
    },
  );

  test('RGB to grey is ITU-R 601 luma, as in Pillow', async () => {
    const image = await raw(colours, 2, 2, 3).png().toBuffer();
    expect(await decoded(image, { ...square, channels: 1 })).toEqual([76, 150, 29, 18]);
  });

  test('grey stays as it is, and is repeated for RGB', async () => {
    const image = await raw([0, 100, 200, 255], 2, 2, 1).toColourspace('b-w').png().toBuffer();
    expect((await sharp(image).metadata()).channels).toBe(1);
    expect(await decoded(image, { ...square, channels: 1 })).toEqual([0, 100, 200, 255]);
    expect(await decoded(image, { height: 2, width: 2, channels: 3 })).toEqual(
      [0, 100, 200, 255].flatMap((v) => [v, v, v]),
    );
  });

  test('transparency is laid over black', async () => {
    const image = await raw([200, 100, 50, 0, 200, 100, 50, 255], 2, 1, 4).png().toBuffer();
    expect(await decoded(image, { height: 1, width: 2, channels: 3 })).toEqual([0, 0, 0, 200, 100, 50]);
  });

  test('16-bit samples keep their high bits, grey and RGB', async () => {
    const words = Uint16Array.from([0, 0x80ff, 0xff00, 0x1234, 0xffff, 0x0100]);
    const rgb = await sharp(words, { raw: { width: 2, height: 1, channels: 3 } })
      .toColourspace('rgb16')
      .png()
      .toBuffer();
    expect((await sharp(rgb).metadata()).depth).toBe('ushort');
    expect(await decoded(rgb, { height: 1, width: 2, channels: 3 })).toEqual([0, 0x80, 0xff, 0x12, 0xff, 1]);
    const grey = await sharp(words, { raw: { width: 6, height: 1, channels: 1 } })
      .toColourspace('grey16')
      .png()
      .toBuffer();
    expect((await sharp(grey).metadata()).depth).toBe('ushort');
    expect(await decoded(grey, { height: 1, width: 6, channels: 1 })).toEqual([0, 0x80, 0xff, 0x12, 0xff, 1]);
  });

  test('EXIF orientation is applied, to the size too', async () => {
    const image = await raw([0, 0, 0, 255, 255, 255], 2, 1, 3)
      .withMetadata({ orientation: 6 })
      .png()
      .toBuffer();
    expect(await probe(image, 'x')).toEqual({ height: 2, width: 1 });
    expect(await decoded(image, { height: 2, width: 1, channels: 1 })).toEqual([0, 255]); // a quarter turn clockwise
  });
});

describe('sizes', () => {
  // 4 columns of which the middle two are white.
  const wide = async (): Promise<Buffer> =>
    raw(
      [0, 255, 255, 0, 0, 255, 255, 0].flatMap((v) => [v, v, v]),
      4,
      2,
      3,
    )
      .png()
      .toBuffer();

  test('cover cuts the middle out, contain pads with black, stretch keeps all', async () => {
    const image = await wide();
    expect(await decoded(image, { ...square, channels: 1, resize: 'cover' })).toEqual([255, 255, 255, 255]);
    expect(
      (await decoded(image, { height: 4, width: 4, channels: 1, resize: 'contain' })).slice(0, 8),
    ).toEqual([0, 0, 0, 0, 0, 255, 255, 0]);
    const stretched = await decoded(image, { height: 2, width: 4, channels: 1, resize: 'stretch' });
    expect(stretched).toEqual([0, 255, 255, 0, 0, 255, 255, 0]);
  });

  test('without a rule another size is a DataError, larger or smaller, naming the image and the option', async () => {
    for (const target of [square, { height: 9, width: 9 }]) {
      const image = await wide();
      const error = await failure(() => decoded(image, { ...target, channels: 3 }));
      expect(error).toMatchObject({
        code: 'ERR_TENON_DATA',
        message: expect.stringMatching(/x.png is 2x4.*imageSize/),
      });
    }
  });
});

describe('hostile images', () => {
  const noise = Uint8Array.from({ length: 64 * 64 * 3 }, (_, i) => Math.imul(i, 0x9e3779b1) >>> 24);
  test.each(['jpeg', 'png', 'webp'] as const)(
    'a %s cut off at every eighth is a FormatError',
    async (kind) => {
      const image = await sharp(noise, { raw: { width: 64, height: 64, channels: 3 } })
        .toFormat(kind)
        .toBuffer();
      for (let i = 0; i < 8; i++) {
        const cut = image.subarray(0, Math.floor((image.length * i) / 8));
        for (const resize of [undefined, 'cover'] as const) {
          const target = {
            height: 64,
            width: 64,
            channels: 3,
            ...(resize === undefined ? {} : { resize }),
          } as const;
          expect(await failure(() => decoded(cut, target))).toMatchObject({
            code: 'ERR_TENON_FORMAT',
            message: expect.stringContaining('x.png'),
          });
        }
      }
    },
  );

  test('text, nothing, and a header that claims 60000x60000 pixels', async () => {
    const target = { ...square, channels: 3, resize: 'cover' } as const;
    expect((await failure(() => decoded(Buffer.from('hello'), target))).code).toBe('ERR_TENON_FORMAT');
    expect((await failure(() => decoded(new Uint8Array(0), target))).code).toBe('ERR_TENON_FORMAT');
    expect((await failure(() => probe(Buffer.from('hello'), 'x'))).code).toBe('ERR_TENON_FORMAT');
    const image = await raw(colours, 2, 2, 3).png().toBuffer();
    image.writeUInt32BE(60000, 16);
    image.writeUInt32BE(60000, 20);
    expect((await failure(() => decoded(image, target))).code).toBe('ERR_TENON_FORMAT');
  });
});

test('many decodes at once all end, failing ones among them', async () => {
  const image = await raw(colours, 2, 2, 3).png().toBuffer();
  const jobs = Array.from({ length: 40 }, (_, i) =>
    decoded(i % 4 === 0 ? Buffer.from('bad') : image, { ...square, channels: 3 }),
  );
  const results = await Promise.allSettled(jobs);
  expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(30);
});

test('each of many damaged images has a reason, of one line', async () => {
  const pixels = noise(64, 64, 3, 1);
  const image = await sharp(pixels, { raw: { width: 64, height: 64, channels: 3 } })
    .jpeg()
    .toBuffer();
  const cut = image.subarray(0, image.length / 2);
  const target = { ...square, channels: 3, resize: 'cover' } as const;
  const jobs = Array.from({ length: 200 }, () => failure(() => decoded(cut, target)));
  for (const { message } of await Promise.all(jobs))
    expect(message).toMatch(
      /^x\.png: not a readable image: (VipsJpeg: premature end of JPEG image|it is damaged)$/,
    );
});

test('without sharp the error says how to get it', async () => {
  jest.resetModules();
  jest.doMock('sharp', () => {
    throw new Error("Cannot find module 'sharp'\nRequire stack:\n- /app/index.js");
  });
  const fresh = jest.requireActual<typeof decodeModule>('../../lib/data/decode');
  const error = await failure(() => fresh.probe(new Uint8Array(4), 'x'));
  expect(error.message).toMatch(/run npm install sharp \(Cannot find module 'sharp'\)$/);
  jest.dontMock('sharp');
});
