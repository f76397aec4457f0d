/** What a run begins with: `--pretrained`, the weights of another run or program, and `--freeze`. */
import type { Dataset } from '../data';
import { FormatError } from '../errors';
import type { LoadReport, Module, Preprocessing } from '../nn';
import { headOf, LayerChain } from '../nn/layers/chain';
import { clip } from '../options';
import type { Shape } from '../tensor/shape';
import { buildModel } from './build-trainer';
import { UsageError } from './exit-codes';
import { NETWORKS } from './networks';
import type { Recipe } from './recipe';

/**
 * Gives a new model the weights of `--pretrained` and freezes what `--freeze` names.
 * @returns lines for people
 * @throws FormatError where weights other than the head's do not fit; OptionError for a pattern that picks
 *   nothing; UsageError if nothing is left to train
 */
export async function beginFrom(recipe: Recipe, model: Module, data: Dataset): Promise<string[]> {
  const { pretrained, freeze } = recipe;
  const lines = pretrained === null ? [] : [await takeWeights(recipe, pretrained, model, data)];
  if (freeze.length === 0) return lines;
  model.freeze(...freeze);
  const trainable = model.parameters().reduce((sum, p) => sum + (p.requiresGrad ? p.size : 0), 0);
  if (trainable === 0) throw new UsageError(`--freeze ${clip(freeze.join(','))} leaves nothing to train`);
  return [
    ...lines,
    `frozen ${freeze.join(', ')}; ${trainable.toLocaleString('en-US')} parameters are trained`,
  ];
}

/**
 * Loads the weights. A head for other classes stays as it was drawn: one of another width, or one whose
 * classes have other names.
 */
async function takeWeights(recipe: Recipe, file: string, model: Module, data: Dataset): Promise<string> {
  if (!(model instanceof LayerChain))
    throw new UsageError(`--pretrained: --model ${recipe.model} has no head that could be replaced`);
  const { path } = headOf(model);
  let fit: LoadReport | undefined;
  await model.load(file, {
    strict: false,
    names: NETWORKS[recipe.model].published?.names,
    report: (report) => {
      requireBody(recipe, file, report, path);
      fit = report;
    },
  });
  model.preprocessing ??= publishedPreprocessing(recipe.model, data.inputShape);
  const kept = fit !== undefined && fitsHead(fit, path, data.classNames);
  // Drawn by its name and the seed, as if there were no file.
  if (!kept) model.replaceHead(headOf(buildModel(recipe, data) as LayerChain).layer).adopt();
  const head = kept ? `with its head '${path}'` : `with a new head '${path}'`;
  return `begins with the weights of ${file}, ${head} for ${data.classNames.length} classes`;
}

/** @throws FormatError listing what does not fit, unless it is all of the head */
function requireBody(recipe: Recipe, file: string, report: LoadReport, head: string): void {
  const { missing, unexpected, otherShape } = report;
  const names = [...missing, ...unexpected, ...otherShape.map(({ name }) => name)];
  if (names.every((name) => isOf(head, name))) return;
  throw new FormatError(
    `--pretrained ${clip(file)} does not fit --model ${recipe.model}: ${report.toString()}`,
  );
}

function fitsHead(fit: LoadReport, head: string, classNames: readonly string[]): boolean {
  const whole = [...fit.missing, ...fit.unexpected, ...fit.otherShape].length === 0;
  const same = fit.classNames === undefined || fit.classNames.join('\n') === classNames.join('\n');
  return whole && same && fit.loaded.some((name) => isOf(head, name));
}

function isOf(layer: string, name: string): boolean {
  return name.startsWith(`${layer}.`);
}

/** How the images of published weights were normalized, which their files do not say. */
export function publishedPreprocessing(model: Recipe['model'], [channels]: Shape): Preprocessing | undefined {
  const preprocessing = NETWORKS[model].published?.preprocessing;
  return preprocessing?.channels === channels ? preprocessing : undefined;
}
