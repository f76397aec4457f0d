/** How the tensors of a file fit those of a model. */
import { FormatError, ShapeError } from '../../errors';
import { clip, clipList, show } from '../../options';
import { formatShape, sameShape, type Shape } from '../../tensor/shape';

/** What of a file a model takes, by names. `String(report)` lists what does not fit. */
export interface LoadReport {
  /** What is in both, of the same shape. */
  readonly loaded: readonly string[];
  /** What the model has and the file has not. */
  readonly missing: readonly string[];
  /** What the file has and the model has not, under its names in the file. */
  readonly unexpected: readonly string[];
  /** What is in both, of different shapes. */
  readonly otherShape: readonly {
    readonly name: string;
    readonly file: Shape;
    readonly model: Shape;
  }[];
  /** Names of the classes in the file, where it has any. */
  readonly classNames?: readonly string[];
  /** What was not loaded, in a sentence. */
  toString(): string;
}

interface Shaped {
  readonly shape: Shape;
  /** Where the file has another name for it. */
  readonly nameInFile?: string;
}

/** PyTorch counts batches in each batch norm; the count does not affect results. */
const COUNT = /(^|\.)num_batches_tracked$/;

/** Compares the tensors of a model with those of a file, both by name. */
export function compareTensors(
  model: ReadonlyMap<string, Shaped>,
  file: ReadonlyMap<string, Shaped>,
): LoadReport {
  const both = [...model].flatMap(([name, { shape }]) => {
    const entry = file.get(name);
    return entry === undefined ? [] : [{ name, file: entry.shape, model: shape }];
  });
  const fits = (each: { readonly file: Shape; readonly model: Shape }): boolean =>
    sameShape(each.file, each.model);
  return {
    loaded: both.filter(fits).map(({ name }) => name),
    missing: [...model.keys()].filter((name) => !file.has(name)),
    unexpected: [...file]
      .filter(([name]) => !model.has(name) && !COUNT.test(name))
      .map(([name, { nameInFile }]) => nameInFile ?? name),
    otherShape: both.filter((each) => !fits(each)),
    toString(): string {
      return problemsOf(this).join('; ');
    },
  };
}

/** @throws FormatError, ShapeError listing what does not fit */
export function requireAll(where: string, report: LoadReport): void {
  const { missing, unexpected, otherShape } = report;
  const hint = '{ strict: false } takes what fits';
  if (missing.length > 0 || unexpected.length > 0)
    throw new FormatError(`${clip(where)}: does not fit the model: ${report.toString()}. ${hint}`);
  if (otherShape.length > 0) throw new ShapeError(`${clip(where)}: ${shapesOf(report)}. ${hint}`);
}

/** @throws FormatError where the model has tensors, and nothing in the file fits any of them */
export function requireSome(where: string, report: LoadReport): void {
  const { loaded, missing, otherShape } = report;
  if (loaded.length === 0 && missing.length + otherShape.length > 0)
    throw new FormatError(`${clip(where)}: nothing in it fits the model: ${report.toString()}`);
}

function problemsOf(report: LoadReport): string[] {
  const list = (names: readonly string[]): string => clipList(names.map(show));
  const { missing, unexpected, otherShape } = report;
  return [
    ...(missing.length > 0 ? [`missing ${list(missing)}`] : []),
    ...(unexpected.length > 0 ? [`unexpected ${list(unexpected)}`] : []),
    ...(otherShape.length > 0 ? [shapesOf(report)] : []),
  ];
}

function shapesOf({ otherShape }: LoadReport): string {
  return clipList(
    otherShape.map(
      ({ name, file, model }) =>
        `'${clip(name)}' is ${formatShape(file)}, the model expects ${formatShape(model)}`,
    ),
    '; ',
  );
}
