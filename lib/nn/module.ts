/** The base of all layers and models: named parameters, modes, initial weights, saving, prediction. */
import { checkPreprocessing, type Preprocessing } from '../data/preprocessing';
import { OptionError } from '../errors';
import { currentTrace, withScope } from '../graph/trace';
import { bool, madeHere } from '../options';
import type { FittedTransform } from '../preprocess/fitted';
import type { NamePattern } from '../tensor/name-pattern';
import type { Parameter } from '../tensor/parameter';
import { Storage } from '../tensor/storage';
import { checkTensor, type Tensor } from '../tensor/tensor';
import { StateBuffer } from './buffer';
import type { Json } from './files/architecture';
import { setFrozen, setRequiresGrad } from './freeze';
import { drawAside, drawBy, drawn, initializeSeed, parametersOf, type InitializeOptions } from './init/draw';
import { MODE, type Mode } from './mode';
import { encodeModel, loadInto, writeModel, type LoadOptions, type ModelSource } from './files/model-file';
import { noteForward, noteModeRead } from './observe';
import { Predictor, type PredictInputs, type PredictOptions } from './predict';
import { asksForFeatures, byName, FeaturePredictor, type FeaturesOptions } from './predict-features';
import { Signature } from './signature';
import { summarize, type Summary, type SummaryOptions } from './inspect/summary';
import { walk, type ModuleTree } from './tree';
import { WIDTH, type Width } from './width';

function isModule(value: unknown): value is Module {
  return value instanceof Module;
}

function runtimeFieldsOf(module: Module): readonly string[] {
  return (module.constructor as typeof Module).runtimeFields;
}

/**
 * A layer or a model. A module of your own extends it, keeps parameters (`nn.parameter`), buffers
 * (`nn.buffer`) and modules as fields, or arrays of them, and has a method `forward`. Their names are
 * PyTorch's: field names joined by dots.
 */
export abstract class Module {
  /** Names a built-in layer in model files. A class without one is loaded into an instance, not rebuilt. */
  static readonly kind: string = '';
  /**
   * Fields whose values do not change a compiled program, only whether there is one; all other plain fields
   * do when they change.
   */
  static readonly runtimeFields: readonly string[] = [];

  /** Place in the model, '' at the top. Set by initialize(). */
  path = '';
  /**
   * The transform of inputs on their way to forward(), after `preprocessing`, in training, evaluation and
   * prediction by tenon. Set by a Trainer, or by hand; saved with the model.
   */
  inputTransform?: FittedTransform;
  /** Names of the classes, in the order of the outputs; saved with the model. */
  classNames?: readonly string[];
  #preprocessing: Preprocessing | undefined;
  /** @internal */
  [MODE]: Mode = 'train';
  #root: Module | undefined;
  #predictor: Predictor | undefined;
  #featurePredictor: FeaturePredictor | undefined;
  #signature: Signature<Module> | undefined;

  constructor() {
    // eslint-disable-next-line @typescript-eslint/unbound-method -- called with `this` below
    const own = this.forward;
    const forward = (...inputs: Tensor[]): Tensor => {
      currentTrace()?.depend(this.#root ?? this);
      const output: unknown = withScope(this.path, () => own.apply(this, inputs));
      checkTensor(this.path === '' ? 'forward' : `forward '${this.path}'`, 'what it returns', output);
      noteForward(this, output);
      return output;
    };
    // Not configurable: a field `forward = (x) => ...` would silently go without the above; now it throws.
    Object.defineProperty(this, 'forward', {
      value: forward,
      enumerable: false,
      configurable: false,
      writable: false,
    });
  }

  /**
   * How raw images become inputs; saved with the model. Set by a Trainer, or by hand; a copy is kept.
   * @throws OptionError naming the field that is wrong
   */
  get preprocessing(): Preprocessing | undefined {
    return this.#preprocessing;
  }

  set preprocessing(value: Preprocessing | undefined) {
    this.#preprocessing = value === undefined ? undefined : checkPreprocessing('preprocessing', value);
  }

  /**
   * Whether dropout drops and batch norm takes statistics from the batch. Set by train() and eval(), or by
   * hand; `load(file)` returns layers in evaluation mode, which only lasts until they are trained.
   */
  get training(): boolean {
    noteModeRead(this);
    return this[MODE] === 'train';
  }

  set training(training: boolean) {
    this[MODE] = training ? 'train' : 'eval';
  }

  /**
   * Whether noise is drawn: in training, and in predictions that average over it (`predict` with `samples`),
   * where `training` is false. A layer of your own that draws random numbers asks this.
   */
  get stochastic(): boolean {
    noteModeRead(this);
    return this[MODE] === 'train' || this[MODE] === 'sample';
  }

  /** Records the layer's ops. Call it on tensors; what it returns is a recipe. */
  abstract forward(...inputs: Tensor[]): Tensor;

  /** The class's name in model files; '' where it has none. */
  get kind(): string {
    return (this.constructor as typeof Module).kind;
  }

  /** @internal */
  get [WIDTH](): Width {
    return undefined;
  }

  /** Everything except state that a model file needs to rebuild a built-in layer. */
  config(): Json {
    return {};
  }

  /** Fields by name, as they appear in names of parameters. */
  members(): Iterable<[string, unknown]> {
    return Object.entries(this);
  }

  /** Names of everything below, walked now. */
  tree(): ModuleTree<Module> {
    return walk(this, isModule);
  }

  /** Modules by path, this one ('') first. */
  namedModules(): ReadonlyMap<string, Module> {
    return this.tree().modules;
  }

  /**
   * Parameters by name; a tied one under its first name. Draws the initial weights with seed 0 where there
   * are none yet.
   */
  namedParameters(): Map<string, Parameter> {
    this.ensureInitialized();
    return parametersOf(this.tree().tensors);
  }

  /** Buffers by name. */
  namedBuffers(): Map<string, StateBuffer> {
    this.ensureInitialized();
    return new Map(
      [...this.tree().tensors].filter((e): e is [string, StateBuffer] => e[1] instanceof StateBuffer),
    );
  }

  /** The parameters of this module and of all below, as in {@link namedParameters}. */
  parameters(): Parameter[] {
    return [...this.namedParameters().values()];
  }

  /** Whether every parameter and buffer has values. */
  get initialized(): boolean {
    return [...this.tree().tensors.values()].every((t) => t.initialized);
  }

  /**
   * Draws all weights anew: numbers are a function of the seed and each parameter's name; what is pruned
   * stays 0. Also (re)names everything below. `weights`, `biases` and `rule` replace the initializers of
   * layers, for this drawing and later ones: `initialize({ weights: 'heNormal' })`. Where it throws, weights
   * and initializers are as before.
   * @throws OptionError for an unknown key, initializer or name, or a seed that is not a whole number of at
   *   least 0; DTypeError, ShapeError where an initializer returns something other than a tensor of the
   *   parameter's shape
   */
  initialize(options: InitializeOptions = {}): this {
    const seed = initializeSeed('initialize', options);
    const tree = this.adopt();
    drawBy('initialize', options, drawn(tree.tensors), seed);
    return this;
  }

  /**
   * As initialize(), but only for what has no values yet, for example after a part of a loaded
   * model was replaced.
   */
  ensureInitialized(options: InitializeOptions = {}): this {
    const seed = initializeSeed('ensureInitialized', options);
    const missing = this.#adoptMissing();
    if (missing !== undefined) drawBy('ensureInitialized', options, missing, seed);
    return this;
  }

  /**
   * As ensureInitialized(), off the event loop, which the numbers of a large model would block: half a second
   * for VGG-16. Training and evaluation do it by themselves. What gets values meanwhile keeps them.
   * `await models.vgg16().ensureInitializedAsync()`
   */
  async ensureInitializedAsync(options: InitializeOptions = {}): Promise<this> {
    const where = 'ensureInitializedAsync';
    const seed = initializeSeed(where, options);
    const missing = this.#adoptMissing();
    if (missing !== undefined) await drawAside(where, options, missing, seed);
    return this;
  }

  /** What has no values yet, named; undefined where everything has values and a name. */
  #adoptMissing(): Map<string, Parameter | StateBuffer> | undefined {
    if (this.#root !== undefined && this.initialized) return undefined;
    return new Map([...drawn(this.adopt().tensors)].filter(([, t]) => !t.initialized));
  }

  /**
   * Sets paths and names below, with this module as the root. A part of a larger, already named model
   * keeps its names.
   */
  adopt(): ModuleTree<Module> {
    const tree = this.tree();
    if (
      this.#root !== undefined &&
      this.#root !== this &&
      [...this.#root.namedModules().values()].includes(this)
    )
      return tree;
    for (const [path, module] of tree.modules) {
      module.path = path;
      module.#root = this;
    }
    for (const [name, tensor] of tree.tensors) tensor.name = name;
    return tree;
  }

  /** Training mode, here and below. */
  train(training = true): this {
    bool('train', 'training', training);
    for (const module of this.namedModules().values()) module.training = training;
    return this;
  }

  /**
   * Evaluation mode, here and below. A part of a model that is put into evaluation mode stays in it while the
   * model is trained: its running statistics do not move and it drops nothing. Its parameters are trained,
   * unless they are frozen.
   */
  eval(): this {
    return this.train(false);
  }

  /**
   * Freezes layers, with everything below them, or single tensors: those that any of the patterns picks, or,
   * without patterns, all. In a pattern, `*` stands for any characters, dots too: `freeze('features.*')`,
   * `freeze('layer?', 'conv1')`. Frozen weights are not trained and cost no backward work. Batch norm with
   * frozen running statistics normalizes by them and leaves them as they are, also in training. Dropout goes
   * on dropping. Checkpoints record what is frozen, model files do not.
   * @throws OptionError for a pattern that picks nothing; nothing is frozen then
   */
  freeze(...patterns: readonly NamePattern[]): this {
    setFrozen('freeze', this.tree(), patterns, true);
    return this;
  }

  /**
   * Undoes `freeze`, and `requiresGrad(false)`, for what any of the patterns picks, or for everything. May be
   * called between steps, from a callback of `fit`: the next step is compiled anew, and the optimizer's state
   * of a weight begins with the weight's own first step.
   * @throws as freeze
   */
  unfreeze(...patterns: readonly NamePattern[]): this {
    setFrozen('unfreeze', this.tree(), patterns, false);
    return this;
  }

  /**
   * Says whether parameters are trained: all, or those that a pattern picks. Running statistics still move:
   * `freeze` stops them as well.
   * @throws OptionError when the pattern picks nothing
   */
  requiresGrad(flag: boolean, pattern?: NamePattern): this {
    bool('requiresGrad', 'flag', flag);
    setRequiresGrad(this.tree(), flag, pattern);
    return this;
  }

  /**
   * Replaces the last layer of an `nn.sequential`, an `nn.namedSequential` or one of
   * `models`: see `nn.Sequential`.
   * @throws OptionError for other models, whose head is a field of their class
   */
  replaceHead(_head: Module): Module {
    const { name } = this.constructor;
    throw new OptionError(
      `replaceHead: is for nn.sequential, nn.namedSequential and tenon's models; set the field of ${name} that holds its head, and classNames`,
    );
  }

  /**
   * Changes whenever a program compiled from this tree would: modes, plain fields, parameters and whether
   * they are trained.
   */
  signature(): string {
    return this.#signatureOfTree().current();
  }

  /** @internal `fn()`, which queues a run right after `signature()`: it does not look for changes again. */
  unchanged<R>(fn: () => R): R {
    return this.#signatureOfTree().unchanged(fn);
  }

  #signatureOfTree(): Signature<Module> {
    return (this.#signature ??= new Signature<Module>(this, isModule, runtimeFieldsOf));
  }

  /** Frees the memory of parameters and buffers now. The model cannot be used any more. */
  dispose(): void {
    this.#predictor?.dispose();
    this.#featurePredictor?.dispose();
    for (const tensor of this.tree().tensors.values()) {
      if (!tensor.initialized) tensor.materialize(new Storage([0], 'f32'));
      tensor.dispose();
    }
  }

  /**
   * Layers with output shapes, parameters and multiply-add work of one example, as data; `String(summary)`
   * is a table.
   * @throws ShapeError when the model cannot take such an input
   */
  summary(options: SummaryOptions): Summary {
    return summarize(this, options);
  }

  /**
   * Outputs for N examples, off the event loop, in evaluation mode.
   * @param inputs bytes: N raw images of H W C interleaved values of the size in `preprocessing`; floats: N
   *   inputs as forward() takes them, or as `inputTransform` does where there is one, each of `shape`
   *   (default: [C, H, W] of `preprocessing`, or what `inputTransform` was fitted to); a Dataset: all its
   *   samples in their order, images decoded batch by batch where they are not yet
   * @returns N rows of outputs: class probabilities, or with `output: 'logits'` what forward() returns; with
   *   `crops` or `scales` their means over views of each image
   * @throws OptionError, ShapeError when the count or the size of images does not fit; DTypeError for other
   *   arrays; FormatError for a corrupt image of a Dataset
   */
  predict(inputs: PredictInputs, options?: PredictOptions): Promise<Float32Array>;
  /**
   * Features of N examples: what the layer called `at` returns, N rows of it in the order of its shape, with
   * `pool: 'average'` the means over positions. With several names, a record of features.
   * `predict(images, { at: 'layer4', pool: 'average' })`
   * @throws as predict; OptionError for a name that the model lacks, or a layer that forward() does not run
   */
  predict(inputs: PredictInputs, options: FeaturesOptions<string>): Promise<Float32Array>;
  predict<const Names extends readonly string[]>(
    inputs: PredictInputs,
    options: FeaturesOptions<Names>,
  ): Promise<{ readonly [N in Names[number]]: Float32Array }>;
  async predict(
    inputs: PredictInputs,
    options: PredictOptions | FeaturesOptions = {},
  ): Promise<Float32Array | Readonly<Record<string, Float32Array>>> {
    if (!asksForFeatures(options)) return this.prediction().run(inputs, options);
    return byName(options, await this.featurePrediction().run(inputs, options));
  }

  /** As `predict`, but blocks. @throws also DataError for a Dataset with images that are not decoded yet */
  predictSync(inputs: PredictInputs, options?: PredictOptions): Float32Array;
  predictSync(inputs: PredictInputs, options: FeaturesOptions<string>): Float32Array;
  predictSync<const Names extends readonly string[]>(
    inputs: PredictInputs,
    options: FeaturesOptions<Names>,
  ): { readonly [N in Names[number]]: Float32Array };
  predictSync(
    inputs: PredictInputs,
    options: PredictOptions | FeaturesOptions = {},
  ): Float32Array | Readonly<Record<string, Float32Array>> {
    if (!asksForFeatures(options)) return this.prediction().runSync(inputs, options);
    return byName(options, this.featurePrediction().runSync(inputs, options));
  }

  /** @internal With the shapes of features. */
  featurePrediction(): FeaturePredictor {
    return (this.#featurePredictor ??= new FeaturePredictor(this));
  }

  /**
   * The model as a safetensors file: the same model gives the same bytes, whatever the time, path,
   * host or threads.
   */
  toBuffer(): Promise<Uint8Array> {
    return encodeModel(this);
  }

  /**
   * Writes `toBuffer()` to a file, which is replaced only once all is on disk.
   * @throws IoError; OptionError for what is not a path
   */
  save(path: string): Promise<void> {
    return writeModel(this, path);
  }

  /**
   * Takes the state in a safetensors file: of the path, or of the bytes, which are taken over before `load`
   * returns. Strict by default: every name and shape must agree. `preprocessing`, `inputTransform` and
   * `classNames` are taken where the file has them; where a file of tenon's has no `inputTransform`, the
   * model has none either behind it. With `strict: false` the model takes what fits by name and shape, and
   * keeps its class names, and its transform unless the file has one:
   * `load(file, { strict: false, report })`, where `report` is told what did not fit. `names` maps the names
   * of a file that has its own: `load(file, { names: { _fc: 'classifier' } })`.
   * @throws FormatError for a corrupt file, missing or unexpected names, or where nothing fits; ShapeError
   *   for other shapes. Both list the tensors. DataError, IoError; OptionError
   */
  async load(source: ModelSource, options: LoadOptions = {}): Promise<this> {
    await loadInto(this, source, options);
    return this;
  }

  private prediction(): Predictor {
    return (this.#predictor ??= new Predictor(this));
  }
}

madeHere(Module);
