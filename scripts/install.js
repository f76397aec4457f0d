'use strict';

// npm's install script: builds the addon from source with what the machine has.

const { build, werror } = require('./build-native.js');
const { script } = require('./tools.js');

script(() => {
  try {
    build();
  } catch (error) {
    if (!werror || process.env.CI) throw error;
    // A compiler newer than ours may warn of more; that must not keep anybody from installing.
    console.error(`tenon: ${error.message}; once more with warnings that are only warnings`);
    build(undefined, { warningsAreErrors: false });
  }
});
