/** Learning rates that fall from the output to the input of a model. */
import { layerGroups } from '../nn/layer-groups';
import type { Module } from '../nn/module';
import { declareSettings, kind, positive, type OptionsOf } from '../settings';
import { checkGroups, matcher, type ParameterGroup } from './groups';

/** Groups whose own numbers are the optimizer's to check. */
const groups = kind<readonly ParameterGroup[]>({
  check: (where, _, value) => checkGroups(where, value),
  domain: { type: 'other' },
});

const settings = declareSettings({
  factor: positive('The rate of a layer, as a share of that of the layer above it: 0.75, or 1 / 2.6.'),
  groups: groups('Groups that hold at every depth, with the rate of that depth: `[optim.noDecay()]`.', {
    default: [],
  }),
});

export type LayerwiseDecayOptions = OptionsOf<typeof settings>;

/**
 * Groups for an optimizer in which the layer at depth k below the head (`nn.layerGroups`) has factor^k times
 * the optimizer's rate (Howard & Ruder 2018, "Universal language model fine-tuning", with factor 1 / 2.6; Bao
 * et al. 2022, BEiT). A head that is replaced later keeps the full rate.
 *
 * `optim.adamw({ lr: 1e-3, groups: optim.layerwiseDecay(model, { factor: 0.75, groups:
 * [optim.noDecay()] }) })`
 * @throws OptionError
 */
export function layerwiseDecay(model: Module, options: LayerwiseDecayOptions): ParameterGroup[] {
  const { factor, groups: everywhere } = settings.read('optim.layerwiseDecay', options);
  const depths = layerGroups(model);
  const scaled = depths.flatMap((names, i) => {
    const lrScale = factor ** (depths.length - 1 - i);
    const fits = names.map(matcher);
    const match: ReturnType<typeof matcher> = (name, parameter) => fits.some((fit) => fit(name, parameter));
    const within = everywhere.map((group) => {
      const own = matcher(group.match);
      const both: typeof match = (name, parameter) => match(name, parameter) && own(name, parameter);
      return { ...group, match: both, lrScale: (group.lrScale ?? 1) * lrScale };
    });
    return [...within, { match, lrScale }];
  });
  return [...scaled, ...everywhere];
}
