/** Commands whose options are declared. */
import { Command, type Argument } from 'commander';
import type { OptionsOf, ValuesOf } from '../settings';
import { EXIT_HELP } from './exit-codes';
import { optionOf, type Flags } from './flags';
import type { Session } from './session';

interface Declaration<F extends Flags> {
  readonly name: string;
  readonly about: string;
  readonly argument?: Argument;
  readonly flags: F;
  /** Text of the help after the options. */
  readonly more?: string;
}

/** The options of a command that were given. */
export type Given<F extends Flags> = OptionsOf<F>;

/** A command. `body` takes the options that were given and the arguments, and returns the exit code. */
export function declareCommand<F extends Flags>(
  session: Session,
  { name, about, argument, flags, more = '' }: Declaration<F>,
  body: (given: Given<F>, args: readonly string[]) => Promise<number>,
): Command {
  const command = new Command(name).description(about).addHelpText('after', more + EXIT_HELP);
  if (argument !== undefined) command.addArgument(argument);
  for (const [key, flag] of Object.entries(flags)) command.addOption(optionOf(key, flag));
  return command.action(() => session.perform(() => body(command.opts(), command.args)));
}

/** The options, with the defaults of those that were not given. */
export function withDefaults<F extends Flags>(flags: F, given: Given<F>): ValuesOf<F> {
  const values: Record<string, unknown> = { ...given };
  for (const [name, flag] of Object.entries(flags)) values[name] ??= flag.default;
  return values as ValuesOf<F>;
}
