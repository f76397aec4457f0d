/** Tensors of a state by name, as a checkpoint keeps them and as ranks send them: safetensors of f32. */
import { toFloats } from '../files/numbers';
import { encodeSafetensors, type SafetensorsFile } from '../files/safetensors';
import { copiesOf, filed, writeTensorFile, type FiledTensor } from '../files/tensor-file';
import type { Tensor } from '../tensor/tensor';
import type { SavedTensors } from './saved-state';

/** Writes a file. `kind` says whose tensors they are. @throws IoError */
export function writeTensors(
  file: string,
  kind: string,
  tensors: ReadonlyMap<string, Tensor>,
): Promise<void> {
  return writeTensorFile(file, filedOf(tensors), metadataOf(kind));
}

/** The bytes of such a file. */
export async function encodeTensors(kind: string, tensors: ReadonlyMap<string, Tensor>): Promise<Uint8Array> {
  const copies = await copiesOf(filedOf(tensors));
  return Buffer.concat(encodeSafetensors({ tensors: copies, metadata: metadataOf(kind) }));
}

function metadataOf(kind: string): Map<string, string> {
  return new Map([['kind', kind]]);
}

function filedOf(tensors: ReadonlyMap<string, Tensor>): Map<string, FiledTensor> {
  return new Map([...tensors].map(([name, tensor]) => [name, filed(tensor)]));
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
