/**
 * tenon: convolutional networks for Node.js on CPU servers. Everything a program imports from 'tenon'
 * is named here.
 */
import './compile/evaluate';

export * as augment from './augment';
export * as data from './data';
export * as distributed from './distributed';
export * as losses from './losses';
export * as metrics from './metrics';
export * as models from './models';
export * as nn from './nn';
export * as ops from './ops';
export * as optim from './optim';
export * as preprocess from './preprocess';
export * as prune from './prune';
export * as regularizers from './regularizers';
export * as schedules from './schedules';
export * from './train';
export * as tune from './tune';

export * from './errors';
export { compile, type Compiled, type CompileOptions } from './compile/compile';
export { grad, Gradients } from './compile/grad';
export type { KernelProfile, Program } from './compile/program';
export { assign } from './graph/trace';
export { info, setPredictionShare, setThreads, type NativeInfo } from './native';
export { load } from './nn/files/load';
export { RandomState } from './random';
export type { AnyArray, DType, Target } from './native';
export type { Precision } from './tensor/dtype';
export { Parameter, type Initializer, type ParameterMask } from './tensor/parameter';
export type { Shape } from './tensor/shape';
export { withTarget } from './tensor/target';
export {
  persistent,
  runtimeScalar,
  tensor,
  Tensor,
  zeros,
  type PersistentTensor,
  type TensorData,
} from './tensor/tensor';
