/**
 * What `tenon bench` measures: a model, its input, and its compiled training step or inference
 * on random data.
 */
import { compile, type Compiled } from '../compile/compile';
import { grad } from '../compile/grad';
import { windowOf } from '../data/preprocessing';
import * as losses from '../losses';
import type * as nn from '../nn';
import { forwardInputs } from '../nn/inputs';
import { load } from '../nn/files/load';
import { oneOf } from '../options';
import type { Optimizer } from '../optim';
import { randomNormal } from '../ops';
import type { Precision } from '../tensor/dtype';
import { tensor, zeros, type Tensor } from '../tensor/tensor';
import { assign } from '../graph/trace';
import { UsageError } from './exit-codes';
import { namesOf } from './names';
import { NETWORKS, sgd, type InputShape } from './networks';

export interface Subject {
  readonly name: string;
  readonly model: nn.Module;
  readonly input: InputShape;
  readonly batch: number;
  readonly optimizer: Optimizer;
}

export interface SubjectOptions {
  /** A name in NETWORKS, or a model file. */
  readonly model: string;
  readonly input?: InputShape | undefined;
  readonly batch?: number | undefined;
}

/** @throws UsageError, OptionError, and whatever loading a file throws */
export async function openSubject({ model, input, batch }: SubjectOptions): Promise<Subject> {
  if (/[./\\]/.test(model)) return openFile(model, input, batch);
  const name = oneOf('option', '--model', model, namesOf(NETWORKS));
  const network = NETWORKS[name];
  const shape = input ?? network.input;
  return {
    name,
    model: network.make(shape, network.classes),
    input: shape,
    batch: batch ?? network.bench.batch,
    optimizer: network.bench.optimizer(),
  };
}

async function openFile(file: string, input: InputShape | undefined, batch = 64): Promise<Subject> {
  const model = await load(file);
  const settings = model.preprocessing;
  const shape: InputShape | undefined = input ?? (settings && [settings.channels, ...windowOf(settings)]);
  if (shape === undefined)
    throw new UsageError(`${file} does not say how large its images are: give --input CxHxW`);
  return { name: file, model, input: shape, batch, optimizer: sgd() };
}

/** A compiled function with its arguments. */
export type Step = Pick<Compiled<[], Tensor>, 'runSync' | 'prepare' | 'profile' | 'dispose'>;

/**
 * A training step: forward, loss, backward and update on N(0, 1) data that is already in memory. Or what
 * predictions run: the forward pass alone, with batch norms folded and weights packed beforehand, on inputs
 * that come with each run.
 */
export function compileStep(
  { model, input, batch, optimizer }: Subject,
  evaluate: boolean,
  precision: Precision,
): Step {
  model.initialize().train(!evaluate);
  const x = normalImages([batch, ...input]);
  if (evaluate) {
    const inputs = tensor(x.dataSync(), x.shape);
    const run = compile((given: Tensor) => forwardInputs(model, given), { precision, queue: 'predict' });
    return {
      runSync: () => run.runSync(inputs),
      prepare: () => run.prepare(inputs),
      profile: () => run.profile(),
      dispose: () => run.dispose(),
    };
  }
  const loss = losses.crossEntropy();
  // The work does not depend on the labels, and every model has a class 0.
  const labels = zeros([batch], 'i32');
  return compile(
    () => {
      const value = loss(forwardInputs(model, x), labels);
      optimizer.update(grad(value));
      return value;
    },
    { precision },
  );
}

function normalImages(shape: readonly number[]): Tensor {
  const x = zeros(shape);
  const fill = compile(() => assign(x, randomNormal(shape, 1, 'bench')));
  fill.runSync();
  fill.dispose();
  return x;
}
