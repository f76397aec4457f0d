'use strict';

// Prints jest's JSON result as the one line that CI reads, and fails when anything failed or nothing ran.

const fs = require('node:fs');

const result = JSON.parse(fs.readFileSync(process.argv[2], 'utf8'));
const passed = result.numPassedTests;
const failed = result.numFailedTests + result.numRuntimeErrorTestSuites; // a file that could not be loaded counts
const skipped = result.numPendingTests + result.numTodoTests;
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
if (failed > 0 || passed === 0 || !result.success) process.exitCode = 1;
