/** What `tenon bench` measures: a model, its input, and a compiled training step or inference of it on random data. */
import { compile, type Compiled } from '../compile/compile';
import { grad } from '../compile/grad';
import * as losses from '../losses';
import type * as nn from '../nn';
import { forwardInputs } from '../nn/inputs';
import { load } from '../nn/load';
import { oneOf } from '../options';
import * as optim from '../optim';
import { randomNormal } from '../ops';
import type { Precision } from '../tensor/dtype';
import { tensor, zeros, type Tensor } from '../tensor/tensor';
import { assign } from '../graph/trace';
import { UsageError } from './exit-codes';
import { buildNetwork } from './networks';
import { MODELS, type ModelName } from './recipe';

/** Channels, height, width. */
export type InputShape = readonly [channels: number, height: number, width: number];

interface Defaults {
  readonly input: InputShape;
  readonly batch: number;
  readonly optimizer: () => optim.Optimizer;
}

const adam = (): optim.Optimizer => optim.adam();
const sgd = (): optim.Optimizer => optim.sgd({ lr: 0.01, momentum: 0.9, weightDecay: 1e-4 });

/** The sizes that a network was made for. */
function defaultsOf(model: ModelName): Defaults {
  switch (model) {
    case 'mlp':
      return { input: [1, 28, 28], batch: 128, optimizer: sgd };
    case 'lenet5':
    case 'lenet':
      return { input: [1, 28, 28], batch: 64, optimizer: adam };
    default:
      if (model === 'vggs' || model === 'resnet20' || model.startsWith('cifar_'))
        return { input: [3, 32, 32], batch: 128, optimizer: sgd };
      return { input: [3, 224, 224], batch: 16, optimizer: sgd };
  }
}

export interface Subject {
  readonly name: string;
  readonly model: nn.Module;
  readonly input: InputShape;
  readonly batch: number;
  readonly optimizer: optim.Optimizer;
}

export interface SubjectOptions {
  /** A name of MODELS, or a model file. Default lenet. */
  readonly model?: string;
  readonly input?: InputShape;
  readonly batch?: number;
}

/** @throws UsageError, OptionError; whatever loading a file throws */
export async function openSubject({ model = 'lenet', input, batch }: SubjectOptions): Promise<Subject> {
  if (/[./\\]/.test(model)) return openFile(model, input, batch);
  const name = oneOf('option', '--model', model, MODELS);
  const defaults = defaultsOf(name);
  const shape = input ?? defaults.input;
  return {
    name,
    model: buildNetwork(name, shape, defaults.input[1] === 224 ? 1000 : 10),
    input: shape,
    batch: batch ?? defaults.batch,
    optimizer: defaults.optimizer(),
  };
}

async function openFile(file: string, input: InputShape | undefined, batch = 64): Promise<Subject> {
  const model = await load(file);
  const settings = model.preprocessing;
  const shape: InputShape | undefined =
    input ?? (settings && [settings.channels, settings.height, settings.width]);
  if (shape === undefined)
    throw new UsageError(`${file} does not say how large its images are: give --input CxHxW`);
  return { name: file, model, input: shape, batch, optimizer: sgd() };
}

/** A compiled function with its arguments. */
export type Step = Pick<Compiled<[], Tensor>, 'runSync' | 'prepare' | 'profile' | 'dispose'>;

/**
 * Forward, loss, backward and update on data, N(0, 1), in memory already; or what predictions run: the forward pass alone, batch norms
 * folded and weights packed beforehand, on inputs that come with each run.
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
