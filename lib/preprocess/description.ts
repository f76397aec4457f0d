/** What a transform is, as plain data: its steps and their settings. Saved in model files. */
import { FormatError } from '../errors';
import { show } from '../options';

/** Steps that subtract, and divide by a deviation where they have one. */
export const POINTWISE = ['center', 'standardize', 'meanImage', 'channelMean', 'channelStandardize'] as const;
/** Steps that rotate into the eigenvectors of the covariance. */
export const ROTATIONS = ['pca', 'whiten', 'zca'] as const;

export type PointwiseKind = (typeof POINTWISE)[number];
export type RotationKind = (typeof ROTATIONS)[number];

/** A step that subtracts, and divides by a deviation where it has one. */
export interface PointwiseStep {
  readonly kind: PointwiseKind;
}

/** A step that rotates into the eigenvectors of the covariance. */
export interface RotationStep {
  readonly kind: RotationKind;
  /** How many directions are kept, or, below 1, the share of the variance that they must hold; null: all. */
  readonly components: number | null;
  /** Added to each eigenvalue before its root is taken. */
  readonly eps: number;
  /** Directions whose eigenvalue is at most this times the largest carry nothing. */
  readonly tolerance: number;
}

/** Kind and settings of a fitted step. */
export type StepDescription = PointwiseStep | RotationStep;

export function isRotation(step: StepDescription): step is RotationStep {
  return ROTATIONS.some((kind) => kind === step.kind);
}

export function hasDeviation(step: PointwiseStep): boolean {
  return step.kind === 'standardize' || step.kind === 'channelStandardize';
}

export function isPerChannel(step: PointwiseStep): boolean {
  return step.kind === 'channelMean' || step.kind === 'channelStandardize';
}

/** Whether two lists of steps are the same. */
export function sameSteps(a: readonly StepDescription[], b: readonly StepDescription[]): boolean {
  return JSON.stringify(a.map(ordered)) === JSON.stringify(b.map(ordered));
}

function ordered(step: StepDescription): unknown[] {
  return isRotation(step) ? [step.kind, step.components, step.eps, step.tolerance] : [step.kind];
}

/** Reads one step out of JSON that may hold anything. @throws FormatError */
export function parseStep(where: string, value: unknown): StepDescription {
  const fail = (): never => {
    throw new FormatError(`${where}: ${show(value)} is not a step of preprocessing`);
  };
  if (typeof value !== 'object' || value === null) return fail();
  const { kind, components, eps, tolerance } = value as Record<string, unknown>;
  const pointwise = POINTWISE.find((name) => name === kind);
  if (pointwise !== undefined) return { kind: pointwise };
  const rotation = ROTATIONS.find((name) => name === kind);
  if (rotation === undefined || !isAmount(eps) || !isAmount(tolerance)) return fail();
  if (components !== null && !(isAmount(components) && components > 0)) return fail();
  return { kind: rotation, components, eps, tolerance };
}

function isAmount(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}
