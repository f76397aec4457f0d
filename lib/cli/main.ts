#!/usr/bin/env node
/** The `tenon` command. */
import { EXIT } from './exit-codes';
import { runCommand } from './program';

// A reader that left, as in `tenon train --json | head`, ends the run: quietly, but not as a success.
process.stdout.on('error', () => process.exit(EXIT.failed));

void runCommand(process.argv.slice(2), process).then((exitCode) => {
  process.exitCode = exitCode;
});
