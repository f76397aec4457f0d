/** Activations that kernels can apply as they store a result: their codes in native/kernels/README.md. */
export type FusedActivation = 'none' | 'relu' | 'relu6' | 'tanh' | 'sigmoid';

export const activationCodes: Partial<Record<string, number>> & Record<FusedActivation, number> = {
  none: 0,
  relu: 1,
  relu6: 2,
  tanh: 3,
  sigmoid: 4,
};
