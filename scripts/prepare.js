'use strict';

// npm's prepare script, which runs in a checkout after `npm ci` and `npm install`: builds the
// addon and dist/.

const { build, werror } = require('./build-native.js');
const { root, run, packageFolder, script } = require('./tools.js');

/** Dev dependencies that building takes. */
const needed = ['typescript', 'cmake-js', 'node-gyp', 'node-addon-api', 'node-api-headers'];

function buildNative() {
  try {
    build();
  } catch (error) {
    if (!werror || process.env.CI) throw error;
    // A compiler newer than ours may warn of more; that must not keep anybody from installing.
    console.error(`tenon: ${error.message}; once more with warnings that are only warnings`);
    build(undefined, { warningsAreErrors: false });
  }
}

script(() => {
  const missing = needed.filter((name) => packageFolder(name) === undefined);
  if (missing.length > 0) {
    console.log(`tenon: nothing is built, as dev dependencies are not installed: ${missing.join(', ')}`);
    return;
  }
  buildNative();
  run(process.execPath, [`${root}/scripts/build-ts.js`]);
});
