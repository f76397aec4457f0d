/** Every op. Adding one: its file here, its kernel in native/kernels, its test in test/ops, and a line below. */
export * from './batch-norm';
export * from './binary';
export * from './conv2d';
export * from './create';
export * from './cross-entropy';
export * from './dropout';
export * from './gather';
export * from './matmul';
export * from './pool2d';
export * from './reduce';
export * from './shape-ops';
export * from './softmax';
export * from './statistics';
export * from './unary';
export * from './update';
