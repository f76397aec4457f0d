'use strict';

/** A system that a test starts as a process: it works, or fails in the way that its argument names. */
const { serve, Unsupported } = require('../lib/child');

const mode = process.argv[2];

serve(async () => {
  if (mode === 'unsupported') throw new Unsupported('made up');
  if (mode === 'throw') throw new Error('broken on purpose');
  if (mode === 'exit') process.exit(3);
  return { version: '1', step: () => new Promise((resolve) => mode === 'hang' || setTimeout(resolve, 1)) };
});
