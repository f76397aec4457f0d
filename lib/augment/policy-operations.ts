/**
 * The operations of policies, by the names of Cubuk et al. 2018, with torchvision's magnitudes, as nodes of a
 * program of the native interpreter.
 */
import { colourParameters, meanParameters, nearest, type Colour } from './kinds';
import { fixed, operation, type ImageForm } from './program';

/** How large magnitudes are: of AutoAugment and RandAugment, or those of TrivialAugment Wide. */
export type MagnitudeSpace = 'standard' | 'wide';

export interface Space {
  readonly shear: number;
  readonly degrees: number;
  readonly factor: number;
  readonly fewestBits: number;
  /** Most pixels of a translation along a side. */
  readonly pixels: (side: number) => number;
}

export const SPACES: Readonly<Record<MagnitudeSpace, Space>> = {
  standard: { shear: 0.3, degrees: 30, factor: 0.9, fewestBits: 4, pixels: (side) => (150 / 331) * side },
  wide: { shear: 0.99, degrees: 135, factor: 0.99, fewestBits: 2, pixels: () => 32 },
};

/** What an operation is made with: its magnitude from 0 to 1, images, and how pixels outside are filled. */
export interface Making {
  readonly at: number;
  readonly space: Space;
  readonly form: ImageForm;
  readonly sampling: Sampling;
}

export interface Sampling {
  readonly interpolation: 'nearest' | 'bilinear';
  readonly fill: Colour;
}

/** The nodes that an operation is drawn from with equal probability; none: the image stays. */
type Nodes = (making: Making) => number[][];

const bothSigns = (value: number, node: (signed: number) => number[]): number[][] =>
  [1, -1].map((sign) => node(sign * value));

function resampled(name: string, parameters: readonly number[], { sampling, form }: Making): number[] {
  const { interpolation, fill } = sampling;
  const rest = [nearest(interpolation), ...colourParameters('policy', fill, form)];
  return operation(name, 1, [...parameters.map(fixed), ...rest]);
}

const shear =
  (x: number, y: number): Nodes =>
  (making) =>
    bothSigns(making.at * making.space.shear, (s) => resampled('cornerShear', [x * s, y * s], making));

/** By whole pixels along axis 1 (x) or 0 (y). */
const translate =
  (axis: 0 | 1): Nodes =>
  (making) => {
    const side = making.form.size[axis];
    const share = Math.min(1, Math.trunc(making.at * making.space.pixels(side)) / side);
    return bothSigns(share, (s) =>
      resampled('affine', [0, axis === 1 ? s : 0, axis === 0 ? s : 0, 1, 0, 0], making),
    );
  };

const rotate: Nodes = (making) =>
  bothSigns(making.at * making.space.degrees, (angle) => resampled('affine', [angle, 0, 0, 1, 0, 0], making));

const enhance =
  (name: 'brightness' | 'contrast' | 'saturation' | 'sharpness'): Nodes =>
  ({ at, space }) =>
    bothSigns(at * space.factor, (change) => operation(name, 1, [fixed(1 + change)]));

const plain =
  (name: 'autocontrast' | 'equalize' | 'invert'): Nodes =>
  () => [operation(name, 1, [])];

/** Rounds halves to even numbers, as PyTorch does. */
function roundToEven(x: number): number {
  const down = Math.floor(x);
  const rest = x - down;
  return rest > 0.5 || (rest === 0.5 && down % 2 === 1) ? down + 1 : down;
}

const posterize: Nodes = ({ at, space }) => [
  operation('posterize', 1, [fixed(roundToEven(8 - at * (8 - space.fewestBits)))]),
];

const solarize: Nodes = ({ at }) => [operation('solarize', 1, [fixed(255 * (1 - at))])];

/** The paper's: up to 60 pixels of an image of 331. */
const cutout: Nodes = ({ at, form }) => {
  const side = Math.round((at * 60 * Math.min(...form.size)) / 331);
  return side === 0 ? [] : [operation('cutout', 1, [side, side, 1].map(fixed).concat(meanParameters(form)))];
};

/** By the names of the paper; Color is the saturation. */
export const OPERATIONS = {
  Identity: () => [],
  ShearX: shear(1, 0),
  ShearY: shear(0, 1),
  TranslateX: translate(1),
  TranslateY: translate(0),
  Rotate: rotate,
  Brightness: enhance('brightness'),
  Color: enhance('saturation'),
  Contrast: enhance('contrast'),
  Sharpness: enhance('sharpness'),
  Posterize: posterize,
  Solarize: solarize,
  AutoContrast: plain('autocontrast'),
  Equalize: plain('equalize'),
  Invert: plain('invert'),
  Cutout: cutout,
} as const satisfies Record<string, Nodes>;

/** An operation of policies. */
export type PolicyOperation = keyof typeof OPERATIONS;

/** The names of all operations that a policy may have. */
export const policyOperations = Object.keys(OPERATIONS) as readonly PolicyOperation[];

/** Those without a magnitude. */
export const FIXED: ReadonlySet<string> = new Set<PolicyOperation>([
  'Identity',
  'AutoContrast',
  'Equalize',
  'Invert',
]);

/**
 * An operation, the probability that it happens, and its magnitude from 0 to bins - 1; AutoContrast,
 * Equalize, Invert and Identity have none, and ignore one.
 */
export type PolicyStep = readonly [operation: PolicyOperation, p: number, magnitude?: number];

/** Steps one after the other. */
export type SubPolicy = readonly PolicyStep[];
