/** `tenon tune dashboard`: a study as a page that follows it, until Ctrl-C. */
import type { Command } from 'commander';
import { integer, nonEmptyString } from '../settings';
import { dashboard } from '../tune/report/dashboard';
import { declareCommand, withDefaults } from './command';
import { flag, JSON_LINES } from './flags';
import type { Session } from './session';
import { NAME, STUDY, withShown } from './tune-shown';

/** A port to listen on; 0: any that is free. */
export const portNumber = integer({ minimum: 0, maximum: 65535 });

const FLAGS = {
  port: flag('n', portNumber('the port; 0: any that is free', { default: 8080 })),
  host: flag('address', nonEmptyString('the address that it listens on', { default: '127.0.0.1' })),
  name: NAME,
  json: JSON_LINES,
};

export function tuneDashboardCommand(session: Session): Command {
  const about = 'serve a page that follows a study, on this machine, until Ctrl-C';
  const declared = { name: 'dashboard', about, argument: STUDY, flags: FLAGS };
  return declareCommand(session, declared, async (given, [study = '']) => {
    const { port, host, name } = withDefaults(FLAGS, given);
    const named = name === undefined ? {} : { name };
    return withShown(study, async (shown) => {
      const served = await dashboard(shown, { port, host, ...named });
      session.output.event('start', { url: served.url });
      session.output.line(`${served.url} shows the study until you press Ctrl-C`);
      if (!session.signal.aborted)
        await new Promise((done) => session.signal.addEventListener('abort', done, { once: true }));
      await served.close();
      return session.interruptedCode;
    });
  });
}
