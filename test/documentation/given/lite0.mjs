// A file of weights for an EfficientNet-Lite0, under the names of EfficientNet-PyTorch.
import { readFileSync, writeFileSync } from 'node:fs';
import { models } from 'tenon';

const ofBlock = ['_expand_conv', '_bn0', '_depthwise_conv', '_bn1', '_project_conv', '_bn2'];
const theirs = ['_conv_stem', '_bn0', '_conv_head', '_bn1', '_fc'];
for (let i = 0; i < 16; i++) theirs.push(...ofBlock.map((layer) => `_blocks.${i}.${layer}`));
const renamed = new Map(theirs.map((name) => [models.efficientnetPytorchNames(name), name]));

const file = 'lite0.safetensors';
await models.efficientnetLite0().initialize({ weights: 'zeros' }).save(file);
const bytes = readFileSync(file);
const end = 8 + Number(bytes.readBigUInt64LE(0));
const { __metadata__, ...tensors } = JSON.parse(bytes.toString('utf8', 8, end));
const entries = Object.entries(tensors).map(([name, entry]) => {
  const [, layer = '', field = ''] = /^(.*)\.(\w+)$/.exec(name) ?? [];
  return [`${renamed.get(layer)}.${field}`, entry];
});
const header = Buffer.from(JSON.stringify({ __metadata__, ...Object.fromEntries(entries) }));
const length = Buffer.alloc(8);
length.writeBigUInt64LE(BigInt(header.length));
writeFileSync(file, Buffer.concat([length, header, bytes.subarray(end)]));
