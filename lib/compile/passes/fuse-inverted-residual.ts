/**
 * Joins the convolutions of an inverted residual in one kernel, which keeps the wide images between them in
 * caches. For predictions: training reads those images again.
 */
import { nothingFused, type ConvolutionGeometry } from '../../graph/facts';
import { invertedResidualOp, packedTypes, packWeightsOp, type Stored } from '../../ops/inverted-residual';
import { newNode, type GraphNode, type Value } from '../ir';
import { node, onlyReader, rule, type Change, type Rule } from '../rewrite';

/** Runs last, when convolutions have taken up norms, activations and the addition. */
export const fuseInvertedResidual: readonly Rule[] = [
  rule(
    {
      expand: node('layer'),
      depthwise: onlyReader('expand', 'layer'),
      project: onlyReader('depthwise', 'layer'),
    },
    ({ expand, depthwise, project }) =>
      isPointwise(expand) && expand.fused?.residual !== true ? join(expand, depthwise, project) : undefined,
  ),
  // Without one that widens, as in a network's first block.
  rule({ depthwise: node('layer'), project: onlyReader('depthwise', 'layer') }, ({ depthwise, project }) =>
    join(undefined, depthwise, project),
  ),
];

function join(
  expand: GraphNode | undefined,
  depthwise: GraphNode,
  project: GraphNode,
): readonly Change[] | undefined {
  const geometry = depthwiseGeometry(depthwise);
  if (geometry === undefined || !isPointwise(project) || project.inputs[0] !== depthwise.outputs[0]) return;
  if (expand !== undefined && depthwise.inputs[0] !== expand.outputs[0]) return;
  const layers = [...(expand === undefined ? [] : [expand]), depthwise, project];
  const images = layers.flatMap(({ inputs, outputs }) => [inputs[0]!, outputs[0]!]);
  const stored: Stored = images[0]!.type.dtype === 'bf16' ? 'bf16' : 'f32';
  // Without a bias, no norm has been folded into the layer.
  if (layers.some((layer) => biasOf(layer) === undefined)) return;
  if (images.some(({ type }) => type.dtype !== stored)) return;
  const weights = layers.map(({ inputs }) => inputs[1]!);
  const packed: Value[] = packedTypes(
    weights.map(({ type }) => type.shape),
    stored,
  ).map((type) => ({ type }));
  const [, , kh, kw] = weights.at(-2)!.type.shape as readonly [number, number, number, number];
  const residual = project.fused?.residual === true ? project.inputs.slice(-1) : [];
  const attrs = {
    geometry,
    kernel: [kh, kw] as const,
    expandActivation: expand && (expand.fused ?? nothingFused).activation,
    depthwiseActivation: (depthwise.fused ?? nothingFused).activation,
  };
  const operands = layers.flatMap((layer, i) => [packed[i]!, biasOf(layer)!]);
  const inputs = [layers[0]!.inputs[0]!, ...operands, ...residual];
  const joined = newNode({ op: invertedResidualOp, attrs }, inputs, project.outputs, project.scope);
  return [
    { node: newNode({ op: packWeightsOp, attrs: stored }, weights, packed, project.scope) },
    { ...joined, node: project, fused: project.fused ?? nothingFused },
  ];
}

function biasOf({ inputs, fused }: GraphNode): Value | undefined {
  return inputs.length > 2 + Number(fused?.residual === true) ? inputs[2] : undefined;
}

/** The layer's geometry, if it is a convolution whose algorithm is free. */
function geometryOf({ op, attrs }: GraphNode): ConvolutionGeometry | undefined {
  const geometry = op.layer?.convolution?.(attrs);
  return geometry?.algorithm === 'auto' ? geometry : undefined;
}

function isPointwise(layer: GraphNode): boolean {
  const geometry = geometryOf(layer);
  const [, , kh, kw] = layer.inputs[1]!.type.shape;
  if (geometry === undefined || geometry.groups !== 1 || kh !== 1 || kw !== 1) return false;
  return geometry.stride.every((n) => n === 1) && geometry.padding.every((n) => n === 0);
}

function depthwiseGeometry(layer: GraphNode): ConvolutionGeometry | undefined {
  const geometry = geometryOf(layer);
  const [outputs, inputs] = layer.inputs[1]!.type.shape;
  const depthwise = geometry?.groups === outputs && inputs === 1 && outputs! > 1;
  return depthwise && layer.fused?.residual !== true ? geometry : undefined;
}
