/**
 * The command, with an embedded data set that never arrives: as where a stream forgets to call back. Then,
 * perhaps, something ends the process.
 */
import * as drawing from '../../../lib/data/glyphs';

const [way, ...args] = process.argv.slice(2);
Object.assign(drawing, {
  glyphs: () => {
    if (way === 'exit') setTimeout(() => process.exit(0), 10);
    return new Promise(() => undefined);
  },
});
process.argv = [...process.argv.slice(0, 2), ...args];
// Not by import: it would run before the data set is replaced.
// eslint-disable-next-line @typescript-eslint/no-require-imports
require('../../../lib/cli/main');
