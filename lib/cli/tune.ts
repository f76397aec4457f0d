/** `tenon tune` and its subcommands. */
import { Command } from 'commander';
import { EXIT_HELP } from './exit-codes';
import type { Session } from './session';

/** What follows `tenon tune` as a word: each in a file of its own, tune-NAME.ts. */
const SUBCOMMANDS: readonly ((session: Session) => Command)[] = [];

export function tuneCommand(session: Session): Command {
  const command = new Command('tune')
    .description('search for the settings that train best')
    .addHelpText('after', EXIT_HELP)
    // An option behind a subcommand's name belongs to that, also where both have one of this name.
    .enablePositionalOptions()
    .helpCommand(false);
  for (const subcommand of SUBCOMMANDS) command.addCommand(subcommand(session));
  return command;
}
