/** Tensors of a model or a run as a safetensors file, written in pieces. */
import type { Storage } from '../tensor/storage';
import type { Tensor } from '../tensor/tensor';
import { writeFileAtomic } from './atomic-file';
import { asFloats, toBytes } from './numbers';
import { encodeHeader, encodeSafetensors, type SafetensorsEntry, type SafetensorsType } from './safetensors';

/** What a file takes as f32: memory that programs change, or numbers on their way. */
export type FiledTensor = Storage | (SafetensorsType & { readonly bytes: Promise<Uint8Array> });

/** What a file takes of a tensor, maybe in another shape. */
export function filed(tensor: Tensor, shape: readonly number[] = tensor.shape): FiledTensor {
  const { source } = tensor;
  if (source.kind === 'storage' && shape === tensor.shape) return source.storage;
  const bytes = tensor.data().then((values) => toBytes(asFloats(values)));
  bytes.catch(() => undefined); // whoever writes it sees the failure
  return { dtype: 'F32', shape, bytes };
}

/** Up to here everything is copied at once. */
const SMALL_BYTES = 16 << 20;

/**
 * Writes f32 tensors as they are after the programs that were queued before this call. Large ones are copied
 * piece by piece; where a program changes one before all are copied, the file is begun anew. It then holds a
 * later moment, but always one.
 * @throws IoError
 */
export async function writeTensorFile(
  path: string,
  tensors: ReadonlyMap<string, FiledTensor>,
  metadata: ReadonlyMap<string, string>,
): Promise<void> {
  const storages = [...tensors.values()].filter(isStorage);
  const bytes = storages.reduce((sum, { byteLength }) => sum + byteLength, 0);
  if (bytes > SMALL_BYTES && (await writeInPieces(path, tensors, metadata, storages))) return;
  await writeFileAtomic(path, encodeSafetensors({ tensors: await copiesOf(tensors), metadata }));
}

/** All copies are queued before any is awaited: they are of one moment between two programs. */
export async function copiesOf(
  tensors: ReadonlyMap<string, FiledTensor>,
): Promise<Map<string, SafetensorsEntry>> {
  const copies = [...tensors].map(async ([name, t]): Promise<[string, SafetensorsEntry]> => {
    const bytes = isStorage(t) ? toBytes(asFloats(await t.read())) : await t.bytes;
    return [name, { dtype: 'F32', shape: t.shape, bytes }];
  });
  return new Map(await Promise.all(copies));
}

/** Returns false, with nothing written, where a program has changed the memory meanwhile. */
async function writeInPieces(
  path: string,
  tensors: ReadonlyMap<string, FiledTensor>,
  metadata: ReadonlyMap<string, string>,
  storages: readonly Storage[],
): Promise<boolean> {
  const versions = storages.map(({ version }) => version);
  const changed = (): boolean => storages.some(({ version }, i) => version !== versions[i]);
  let given = true;
  async function* parts(): AsyncGenerator<Uint8Array> {
    yield encodeHeader(typesOf(tensors), metadata);
    for (const t of tensors.values()) {
      for await (const bytes of isStorage(t) ? bytesOf(t) : [await t.bytes]) {
        // Maybe before this piece was asked for.
        if (changed()) {
          given = false;
          throw new Error('changed meanwhile');
        }
        yield bytes;
      }
    }
  }
  await writeFileAtomic(path, parts()).catch((error: unknown) => {
    if (given) throw error;
  });
  return given;
}

async function* bytesOf(storage: Storage): AsyncGenerator<Uint8Array> {
  for await (const piece of storage.pieces()) yield toBytes(asFloats(piece));
}

function typesOf(tensors: ReadonlyMap<string, FiledTensor>): Map<string, SafetensorsType> {
  return new Map([...tensors].map(([name, { shape }]) => [name, { dtype: 'F32', shape }]));
}

function isStorage(t: FiledTensor): t is Storage {
  return !('bytes' in t);
}
