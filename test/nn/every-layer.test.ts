/** Model files of every kind of layer: headers as the first versions wrote them, and the way back. */
import { nn } from '../../lib';
import * as layers from '../../lib/nn/layers';
import * as blocks from '../../lib/nn/blocks';
import { rebuilderOf } from '../../lib/nn/layer';
import headers from '../fixtures/layer_headers.json';
import { everyLayer } from './every-layer';

function headerOf(bytes: Uint8Array): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const length = Number(view.getBigUint64(0, true));
  return new TextDecoder().decode(bytes.subarray(8, 8 + length)).trimEnd();
}

const written = new Map(Object.entries(headers));

test.each(Object.keys(everyLayer))('%s: the header is as it was, and is read', async (name) => {
  const model = everyLayer[name]!().initialize({ seed: 1 });
  const bytes = await model.toBuffer();
  expect(headerOf(bytes)).toBe(written.get(name));
  const again = await nn.load(bytes);
  expect(again.constructor).toBe(model.constructor);
  expect(again.config()).toEqual(model.config());
  expect(Buffer.compare(await again.toBuffer(), bytes)).toBe(0);
});

test('files can hold every layer', () => {
  const tried = new Set(Object.values(everyLayer).map((make) => make().kind));
  const classes = Object.values({ ...layers, ...blocks }).filter(
    (value): value is typeof value & Pick<typeof nn.Module, 'kind'> => 'kind' in value && value.kind !== '',
  );
  expect(classes.length).toBeGreaterThan(30);
  for (const { kind } of classes) {
    expect([kind, tried.has(kind)]).toEqual([kind, true]);
    expect([kind, rebuilderOf(kind) !== undefined]).toEqual([kind, true]);
  }
});
