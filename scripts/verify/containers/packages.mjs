/** A registry on loopback that has the tarballs of `npm run package`. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Skipped } from '../report.mjs';
import { startRegistry } from '../install/registry.mjs';
import { node, verdaccio } from '../install/tools.mjs';

/** Calls `work(url)` while the registry runs. @throws Skipped where there are no tarballs */
export async function withRegistry(packages, folder, work) {
  const files = existsSync(packages) ? readdirSync(packages).filter((name) => name.endsWith('.tgz')) : [];
  if (files.length === 0) throw new Skipped(`no tarballs in ${packages}: npm run package makes them`);
  const registry = await startRegistry({ node: await node(22), program: await verdaccio(), folder });
  try {
    await registry.publish(files.map((name) => join(packages, name)));
    return await work(registry.url);
  } finally {
    await registry.stop();
  }
}
