/** `searching.mjs FOLDER POINTS`: searches a grid in two worker processes, or goes on with that. */
import { tune } from 'tenon';
import { childScript } from '../process.mjs';

const [folder, points] = process.argv.slice(2);
const space = { point: tune.integer(0, Number(points) - 1) };
const study = await tune.study(folder, { space, strategy: tune.grid() });
const run = study.run(childScript('search-objective.mjs'), { workers: 2, retries: 1000, grace: 3 });
for await (const { number } of run) console.log(JSON.stringify({ ended: number }));
await study.close();
