#!/usr/bin/env node
/** The `tenon` command. */
import '../compile/evaluate';
import { runCommand } from './program';

void runCommand(process.argv.slice(2), process).then((exitCode) => {
  process.exitCode = exitCode;
});
