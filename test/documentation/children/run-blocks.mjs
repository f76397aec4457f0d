// Runs block.mjs of each folder that is named, one after the other in that folder, and tells what each threw.
// The default export of what a block is given, if there is one, looks at what the block declared and did.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

async function run(folder, given) {
  process.chdir(folder);
  const load = (...path) => import(pathToFileURL(join(folder, ...path)).href);
  const declared = await load('block.mjs');
  if (given !== undefined) await (await load('given', `${given}.mjs`)).default?.(declared);
}

for (const { folder, given } of JSON.parse(process.argv[2])) {
  const said = await run(folder, given).then(
    () => '',
    (error) => String(error?.stack ?? error),
  );
  process.send({ folder, said });
}
process.disconnect();
process.exit(); // whatever the blocks have left open
