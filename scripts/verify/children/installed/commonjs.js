/** `commonjs.cjs EXAMPLES BATCH`, in a user's folder: tenon as CommonJS. */
'use strict';

const tenon = require('tenon');

void import('./net.mjs')
  .then(({ train }) => train(tenon, process.argv.slice(2)))
  .then((result) => console.log(JSON.stringify(result)));
