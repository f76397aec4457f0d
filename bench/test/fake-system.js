'use strict';

const { serve, Unsupported } = require('../lib/child');

const [mode, fixed, each] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];

serve(async ({ batch }) => {
  if (mode === 'unsupported') throw new Unsupported('made up');
  if (mode === 'throw') throw new Error('broken on purpose');
  if (mode === 'exit') process.exit(3);
  const ms = mode === 'hang' ? 1e6 : fixed + each * batch;
  return { version: '1', step: () => new Promise((resolve) => setTimeout(resolve, ms)) };
});
