'use strict';

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
