#!/usr/bin/env node
/** The `tenon` command. */
import { runCommand } from './program';

// A reader that left, as in `tenon train | head`, ends the run without noise.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

void runCommand(process.argv.slice(2), process).then((exitCode) => {
  process.exitCode = exitCode;
});
