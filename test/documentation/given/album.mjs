// A folder of photographs of two classes, of which some were saved twice.
import { mkdirSync } from 'node:fs';
import sharp from 'sharp';

export const dir = 'photos';
for (const [c, name] of ['lake', 'meadow'].entries()) {
  mkdirSync(`${dir}/train/${name}`, { recursive: true });
  for (let i = 0; i < 10; i++) {
    const light = Uint8Array.from({ length: 49 }, (_, k) => ((k + 3) * (k + 7) * (10 * c + i + 5) * 13) >> 2);
    const patches = sharp(light, { raw: { height: 7, width: 7, channels: 1 } });
    const photo = await patches.resize(120, 90, { fit: 'fill' }).png().toBuffer();
    await sharp(photo).toFile(`${dir}/train/${name}/${i}.png`);
    if (i < 4) await sharp(photo).resize(60).jpeg().toFile(`${dir}/train/${name}/small-${i}.jpg`);
  }
}

/** @param {Record<'groups' | 'groupOf' | 'train' | 'validation', any>} declared */
export default function look({ groups, train, validation }) {
  if (groups.length < 8 || train.length + validation.length !== 28) throw new Error('copies were not found');
}
