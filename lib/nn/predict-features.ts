/** Features of arrays and data sets, by the programs of predictions. */
import { Dataset } from '../data/dataset';
import type { Preprocessing } from '../data/preprocessing';
import { OptionError } from '../errors';
import * as ops from '../ops';
import { oneOf } from '../options';
import type { FittedTransform } from '../preprocess/fitted';
import { formatShape, numel, type Shape } from '../tensor/shape';
import type { Tensor } from '../tensor/tensor';
import { checkStages, outputsAt, type Stage } from './features';
import { MODE, type Mode } from './mode';
import { Predictor, type PredictOptions } from './predict';

const POOLS = ['none', 'average'] as const;

/** Options of `predict` where it returns features. */
export interface FeaturesOptions<
  At extends string | readonly string[] = string | readonly string[],
> extends Omit<PredictOptions, 'output'> {
  /** The layer whose outputs are wanted, by its name, or several: `layer3`, `features.4`. */
  readonly at: At;
  /** 'average' takes the mean over positions: [N, C, H, W] becomes [N, C]. Default 'none'. */
  readonly pool?: 'none' | 'average';
}

/** N rows of features of one stage. */
export interface FeatureRows {
  readonly name: string;
  /** The shape of one row. */
  readonly shape: Shape;
  readonly values: Float32Array;
}

export function asksForFeatures(options: PredictOptions | FeaturesOptions): options is FeaturesOptions {
  return typeof options === 'object' && options !== null && 'at' in options && options.at !== undefined;
}

/** One stage's features, or a record of several, as `at` asks for them. */
export function byName(
  { at }: FeaturesOptions,
  rows: readonly FeatureRows[],
): Float32Array | Readonly<Record<string, Float32Array>> {
  return typeof at === 'string'
    ? rows[0]!.values
    : Object.fromEntries(rows.map(({ name, values }) => [name, values]));
}

/** What features are taken of. */
export interface Featured {
  readonly preprocessing: Preprocessing | undefined;
  readonly inputTransform?: FittedTransform;
  readonly training: boolean;
  [MODE]: Mode;
  forward(x: Tensor): Tensor;
  namedModules(): ReadonlyMap<string, Featured>;
  signature(): string;
  unchanged<R>(fn: () => R): R;
  ensureInitialized(): unknown;
}

/** The model as predictions see it, with the features of all stages, side by side, for outputs. */
class FeatureView implements Featured {
  /** Shapes of the features of one input, as they were last recorded. */
  shapes: readonly Shape[] = [];
  readonly signatureThen: string;

  constructor(
    private readonly model: Featured,
    private readonly stages: readonly Stage[],
    private readonly pool: boolean,
  ) {
    this.signatureThen = model.signature();
  }

  get preprocessing(): Preprocessing | undefined {
    return this.model.preprocessing;
  }

  get inputTransform(): FittedTransform | undefined {
    return this.model.inputTransform;
  }

  get training(): boolean {
    return this.model.training;
  }

  get [MODE](): Mode {
    return this.model[MODE];
  }

  set [MODE](mode: Mode) {
    this.model[MODE] = mode;
  }

  forward(x: Tensor): Tensor {
    const outputs = outputsAt('predict', this.model, x, this.stages).map((y) =>
      this.pool ? averaged(y) : y,
    );
    this.shapes = outputs.map((y) => y.shape.slice(1));
    const count = x.shape[0]!;
    outputs.forEach((y, i) => {
      if (y.rank === 0 || y.shape[0] !== count)
        throw new OptionError(
          `predict: layer '${this.stages[i]!.name}' returns ${formatShape(y.shape)} for ${count} inputs, not a row for each`,
        );
    });
    if (outputs.length === 1) return outputs[0]!;
    return ops.concat(
      outputs.map((y) => ops.reshape(y, [count, y.size / count])),
      1,
    );
  }

  namedModules(): ReadonlyMap<string, Featured> {
    return this.model.namedModules();
  }

  signature(): string {
    return this.model.signature();
  }

  unchanged<R>(fn: () => R): R {
    return this.model.unchanged(fn);
  }

  ensureInitialized(): unknown {
    return this.model.ensureInitialized();
  }
}

function averaged(y: Tensor): Tensor {
  return y.rank > 2 ? ops.mean(y, { axes: Array.from({ length: y.rank - 2 }, (_, i) => i + 2) }) : y;
}

interface Plan {
  readonly view: FeatureView;
  readonly predictor: Predictor;
  readonly names: readonly string[];
  readonly options: PredictOptions;
}

/** Programs are kept for this many choices of stages and inputs. */
const kept = 4;

export class FeaturePredictor {
  private readonly plans = new Map<string, Pick<Plan, 'view' | 'predictor'>>();

  constructor(private readonly model: Featured) {}

  async run(inputs: unknown, options: FeaturesOptions): Promise<FeatureRows[]> {
    const plan = this.plan(inputs, options);
    return rowsOf(plan, await plan.predictor.run(inputs, plan.options));
  }

  runSync(inputs: unknown, options: FeaturesOptions): FeatureRows[] {
    const plan = this.plan(inputs, options);
    return rowsOf(plan, plan.predictor.runSync(inputs, plan.options));
  }

  dispose(): void {
    for (const { predictor } of this.plans.values()) predictor.dispose();
    this.plans.clear();
  }

  private plan(inputs: unknown, { at, pool, ...rest }: FeaturesOptions): Plan {
    if ('output' in rest)
      throw new OptionError("predict: output is for what the model returns; 'at' asks for features");
    const stages = checkStages('predict', this.model, at);
    const pooled = oneOf('predict', 'pool', pool ?? 'none', POOLS) === 'average';
    const names = stages.map(({ name }) => name);
    this.model.ensureInitialized();
    // A view knows the shapes of one state of the model, and of inputs of one shape.
    const { preprocessing, inputTransform } = this.model;
    const shapes = [rest.shape, rest.imageSize, preprocessing, inputTransform?.inputShape];
    const ofData = inputs instanceof Dataset ? inputs.inputShape : null;
    const key = JSON.stringify([names, pooled, ofData, ...shapes]);
    let known = this.plans.get(key);
    if (known?.view.signatureThen !== this.model.signature()) {
      known?.predictor.dispose();
      const view = new FeatureView(this.model, stages, pooled);
      known = { view, predictor: new Predictor(view) };
    }
    this.keep(key, known);
    return { ...known, names, options: { ...rest, output: 'logits' } };
  }

  private keep(key: string, entry: Pick<Plan, 'view' | 'predictor'>): void {
    this.plans.delete(key);
    this.plans.set(key, entry);
    for (const [oldest, { predictor }] of this.plans) {
      if (this.plans.size <= kept) break;
      predictor.dispose();
      this.plans.delete(oldest);
    }
  }
}

/** Takes the features of the stages apart. */
function rowsOf({ view, names }: Plan, values: Float32Array): FeatureRows[] {
  const { shapes } = view;
  if (names.length === 1) return [{ name: names[0]!, shape: shapes[0]!, values }];
  const widths = shapes.map(numel);
  const width = widths.reduce((sum, w) => sum + w, 0);
  const count = values.length / width;
  let from = 0;
  return names.map((name, s) => {
    const own = new Float32Array(count * widths[s]!);
    for (let row = 0; row < count; row++)
      own.set(values.subarray(row * width + from, row * width + from + widths[s]!), row * widths[s]!);
    from += widths[s]!;
    return { name, shape: shapes[s]!, values: own };
  });
}
