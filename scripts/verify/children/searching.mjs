/**
 * `searching.mjs PLACE POINTS WORKERS`: searches a grid in worker processes, or goes on with that. PLACE is a
 * folder or the address of a database.
 */
import { tune } from 'tenon';
import { childScript } from '../process.mjs';

const [place, points, workers] = process.argv.slice(2);
const home = place.startsWith('postgres://') ? tune.postgres({ connectionString: place }) : place;
const space = { point: tune.integer(0, Number(points) - 1) };
const study = await tune.study(home, { space, strategy: tune.grid() });
const options = { workers: Number(workers), retries: 1000, grace: 3 };
for await (const { number } of study.run(childScript('search-objective.mjs'), options))
  console.log(JSON.stringify({ ended: number }));
await study.close();
