'use strict';

// Tests of bf16 run on all processors, also where users get fp32. Set here, as the addon reads the variables
// of the process, and a test's process.env is a copy.
process.env.TENON_BF16 ??= 'best';

/** @type {import('jest').Config} */
module.exports = {
  rootDir: __dirname,
  roots: ['<rootDir>/test'],
  testMatch: ['**/*.test.ts'],
  setupFiles: ['<rootDir>/test/setup.ts'],
  testEnvironment: 'node',
  // Types are checked by `npm run lint`; here each file is only stripped of them.
  transform: { '^.+\\.ts$': ['ts-jest', { tsconfig: 'tsconfig.json', diagnostics: false }] },
  modulePathIgnorePatterns: ['<rootDir>/dist/', '<rootDir>/build/', '<rootDir>/bench/'],
  // For what hangs; a busy machine may take long for everything else.
  testTimeout: 240_000,
  maxWorkers: 2,
};
