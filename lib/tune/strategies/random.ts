/** Random search (Bergstra & Bengio 2012, "Random search for hyper-parameter optimization"). */
import { declareSettings, type OptionsOf } from '../../settings';
import { declareStrategy, seed } from './declare';
import { drawPoint } from './draw';

const settings = declareSettings({ seed });

export type RandomOptions = OptionsOf<typeof settings>;

/**
 * Draws each trial by itself, evenly on the scale of each dimension. Never ends; any number of objectives and
 * of workers.
 * @throws OptionError
 */
export const random = declareStrategy('random', settings, () => ({
  check: () => undefined,
  suggest: ({ dimensions, random: numbers, fixed }) => ({ point: drawPoint(dimensions, numbers, fixed) }),
}));
