/** `tenon tune report`: a study as an HTML file. */
import type { Command } from 'commander';
import { nonEmptyString } from '../settings';
import { report } from '../tune/report/report';
import { declareCommand, withDefaults } from './command';
import { EXIT } from './exit-codes';
import { flag, JSON_LINES } from './flags';
import type { Session } from './session';
import { NAME, STUDY, withShown } from './tune-shown';

const FLAGS = {
  out: flag('file', nonEmptyString('the file to write', { default: 'report.html' })),
  name: NAME,
  json: JSON_LINES,
};

export function tuneReportCommand(session: Session): Command {
  const about = 'write a study as an HTML file with charts and a table of its trials';
  const declared = { name: 'report', about, argument: STUDY, flags: FLAGS };
  return declareCommand(session, declared, async (given, [study = '']) => {
    const { out: file, name } = withDefaults(FLAGS, given);
    const named = name === undefined ? {} : { name };
    const written = await withShown(study, (shown) => report(shown, { file, ...named }));
    session.output.event('done', { ...written });
    session.output.line(`wrote ${file}: ${written.trials} trials`);
    return EXIT.ok;
  });
}
