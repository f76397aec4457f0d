/** The weights of one moment of a run, in memory of their own. */
import { compile } from '../compile/compile';
import { FormatError } from '../errors';
import { countIn, fieldsOf } from '../files/json-fields';
import { assign } from '../graph/trace';
import type { Module } from '../nn/module';
import type { WeightAverage } from '../optim/average';
import { clip } from '../options';
import type { Json } from '../settings';
import { formatShape, sameShape } from '../tensor/shape';
import { zeros, type PersistentTensor, type Tensor } from '../tensor/tensor';
import type { ResumedRun, SavedCallbackState } from './saved-state';

/** Made by `FitControl.snapshot`: parameters, buffers, and the trainer's average of them. */
export class Snapshot {
  /** By `model/NAME` and `average/NAME`. */
  private copies = new Map<string, PersistentTensor>();
  private counts = { count: 0, statistics: 0 };

  /** Whether nothing has been copied yet. */
  get empty(): boolean {
    return this.copies.size === 0;
  }

  /** @internal Copies the weights as they are after all queued steps. */
  async take({ model, average }: ResumedRun): Promise<void> {
    const live = liveTensors(model, average);
    const copies = [...live].map(([name, { shape }]): [string, PersistentTensor] => {
      return [name, this.copies.get(name) ?? zeros(shape)];
    });
    this.copies = new Map(copies);
    await assignAll(copies.map(([name, copy]) => [copy, live.get(name)!]));
    this.counts = { count: average?.count ?? 0, statistics: average?.statistics ?? 0 };
  }

  /** @internal Copies the weights back. */
  async putBack({ model, average }: ResumedRun): Promise<void> {
    const live = liveTensors(model, average);
    // An average that began later has tensors that this moment did not have; its count says that
    // they are none.
    await assignAll([...this.copies].map(([name, copy]) => [live.get(name)!, copy]));
    if (average !== undefined) Object.assign(average, this.counts);
  }

  /** For `CallbackState`. The tensors are live. */
  state(): { readonly data: Json; readonly tensors: ReadonlyMap<string, Tensor> } {
    return { data: this.counts, tensors: this.copies };
  }

  /** Takes back what `state` returned. @throws FormatError unless it is of this model, before any change */
  async load({ data, tensors }: SavedCallbackState, { model, average }: ResumedRun): Promise<void> {
    const fields = fieldsOf('state.json', 'the snapshot', data);
    const count = countIn('state.json', fields, 'count');
    const statistics = countIn('state.json', fields, 'statistics');
    const own = tensorsOf(model);
    const names = [...own.keys()].map((name) => `model/${name}`);
    if (average !== undefined && count > 0) names.push(...[...own.keys()].map((name) => `average/${name}`));
    if (tensors.size !== names.length)
      throw new FormatError(`the snapshot has ${tensors.size} tensors, the run ${names.length}`);
    for (const name of names) {
      const { shape } = own.get(name.slice(name.indexOf('/') + 1))!;
      const saved = tensors.get(name);
      if (saved === undefined || !sameShape(saved.shape, shape))
        throw new FormatError(
          `the snapshot's '${clip(name)}' is ${saved === undefined ? 'missing' : formatShape(saved.shape)}, the model's ${formatShape(shape)}`,
        );
    }
    this.dispose();
    this.counts = { count, statistics };
    for (const [name, { shape, data: numbers }] of tensors) {
      const copy = zeros(shape);
      this.copies.set(name, copy);
      await copy.storage.write(numbers);
    }
  }

  /** Frees the memory now. */
  dispose(): void {
    for (const copy of this.copies.values()) copy.dispose();
    this.copies.clear();
  }
}

function tensorsOf(model: Module): Map<string, Tensor> {
  return new Map<string, Tensor>([...model.namedParameters(), ...model.namedBuffers()]);
}

function liveTensors(model: Module, average: WeightAverage | undefined): Map<string, Tensor> {
  const live = new Map<string, Tensor>();
  for (const [name, t] of tensorsOf(model)) live.set(`model/${name}`, t);
  for (const [name, t] of average?.state().tensors ?? []) live.set(`average/${name}`, t);
  return live;
}

async function assignAll(pairs: readonly (readonly [target: Tensor, value: Tensor])[]): Promise<void> {
  const copy = compile(() => {
    for (const [target, value] of pairs) assign(target, value);
  });
  try {
    await copy();
  } finally {
    copy.dispose();
  }
}
