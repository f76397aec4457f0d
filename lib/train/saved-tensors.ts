/** Tensors of a state by name, as a checkpoint keeps them and as ranks send them: safetensors of f32. */
import { asFloats, toBytes, toFloats } from '../files/numbers';
import { encodeSafetensors, type SafetensorsEntry, type SafetensorsFile } from '../files/safetensors';
import type { Tensor } from '../tensor/tensor';
import type { SavedTensors } from './saved-state';

/** The pieces of a file. `kind` says whose tensors they are. */
export async function encodeTensors(
  kind: string,
  tensors: ReadonlyMap<string, Tensor>,
): Promise<Uint8Array[]> {
  const reads = [...tensors].map(async ([name, t]): Promise<[string, SafetensorsEntry]> => {
    return [name, { dtype: 'F32', shape: t.shape, bytes: toBytes(asFloats(await t.data())) }];
  });
  const metadata = new Map([['kind', kind]]);
  return encodeSafetensors({ tensors: new Map(await Promise.all(reads)), metadata });
}

/** @throws FormatError */
export function decodeTensors({ tensors }: SafetensorsFile): SavedTensors {
  return new Map(
    [...tensors].map(([name, entry]) => [
      name,
      { shape: entry.shape, data: toFloats(name, entry, { owned: true }) },
    ]),
  );
}
