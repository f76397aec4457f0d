/** `esm.mjs EXAMPLES BATCH`, in a user's folder: tenon as a module. */
import { data, info, losses, nn, optim, Trainer } from 'tenon';
import { train } from './net.mjs';

const result = await train({ data, info, losses, nn, optim, Trainer }, process.argv.slice(2));
console.log(JSON.stringify(result));
