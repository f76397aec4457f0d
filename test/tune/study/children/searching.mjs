/**
 * `searching.mjs ADDRESS POINTS FOLDER`: searches a grid in a database, and prints which trials it ran. Its
 * first one waits until another process has begun one, as the folder says.
 */
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tune } from 'tenon';

const [connectionString, points, folder] = process.argv.slice(2);
const space = { point: tune.integer(0, Number(points) - 1) };
const study = await tune.study(tune.postgres({ connectionString }), { space, strategy: tune.grid() });
const ran = [];

async function objective({ point }, { number }) {
  ran.push(number);
  writeFileSync(join(folder, String(process.pid)), '');
  while (readdirSync(folder).length < 2) await new Promise((done) => setTimeout(done, 10));
  return point ** 2;
}

for await (const { state } of study.run(objective)) if (state !== 'complete') throw new Error(state);
await study.close();
console.log(JSON.stringify(ran));
