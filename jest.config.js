'use strict';

// jest gives each test file a copy of process.env, so what lib/native.ts sets there never reaches libgomp.
// Set here, it is inherited by jest's worker processes.
process.env.GOMP_SPINCOUNT ??= '1000';

/** @type {import('jest').Config} */
module.exports = {
  rootDir: __dirname,
  roots: ['<rootDir>/test'],
  testMatch: ['**/*.test.ts'],
  testEnvironment: 'node',
  // Types are checked by `npm run lint`; here each file is only stripped of them.
  transform: { '^.+\\.ts$': ['ts-jest', { tsconfig: 'tsconfig.json', diagnostics: false }] },
  modulePathIgnorePatterns: ['<rootDir>/dist/', '<rootDir>/build/', '<rootDir>/bench/'],
  testTimeout: 60_000,
  maxWorkers: 2,
};
