/** The images of CIFAR-10, decoded from the JPEG files once for several runs. */
import { createReadStream, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createGunzip } from 'node:zlib';
import sharp from 'sharp';
import { extract } from 'tar-stream';
import { requireData } from './process.mjs';

/** The files of a gzipped tar: [name, bytes], in order of name. */
async function readTar(file) {
  const files = [];
  for await (const entry of createReadStream(file).pipe(createGunzip()).pipe(extract())) {
    const chunks = [];
    for await (const chunk of entry) chunks.push(chunk);
    if (entry.header.type === 'file') files.push([entry.header.name, Buffer.concat(chunks)]);
  }
  return files.sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Decodes split/CLASS/NNNN.jpg of a tar to split.images (N, 32, 32, 3) and split.labels. */
async function decode(tar, split, directory) {
  const files = (await readTar(tar)).filter(([name]) => name.endsWith('.jpg'));
  const classOf = (name) => name.split('/').at(-2);
  const classes = [...new Set(files.map(([name]) => classOf(name)))].sort();
  const pixels = await Promise.all(files.map(([, bytes]) => sharp(bytes).raw().toBuffer()));
  writeFileSync(join(directory, `${split}.images`), Buffer.concat(pixels));
  const labels = files.map(([name]) => classes.indexOf(classOf(name)));
  writeFileSync(join(directory, `${split}.labels`), Uint8Array.from(labels));
}

/** Writes both splits to the directory, as children/cifar10-fast.mjs reads them. */
export async function decodeCifar10(directory) {
  const data = requireData('cifar10');
  for (const split of ['train', 'test'])
    await decode(join(data, `cifar10-${split}.tar.gz`), split, directory);
}
