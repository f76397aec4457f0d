/** Calls process.exit() in the middle of a step with another queued behind it: `exit.mjs BATCH`. */
import { setTimeout as sleep } from 'node:timers/promises';
import { training } from './training.mjs';

const { train } = training('resnet20', Number(process.argv[2]));
await train();
const begun = performance.now();
await train();
const stepMs = performance.now() - begun;
let settled = 0;
for (let i = 0; i < 2; i++) train().then(() => settled++);
await sleep(stepMs / 3);
console.log(JSON.stringify({ event: settled === 0 ? 'exiting' : 'too late', stepMs, at: Date.now() }));
process.exit(3);
