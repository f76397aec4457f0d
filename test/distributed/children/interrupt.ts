/** `tenon`, whose rank 1 gets SIGINT after the first epoch. */
import '../../../lib/compile/evaluate';
import { runCommand } from '../../../lib/cli/program';
import { FitRun } from '../../../lib/train/run';

const { saveCheckpoint } = FitRun.prototype;
let saved = 0;
FitRun.prototype.saveCheckpoint = async function interrupting(this: FitRun, ...args) {
  const rank = process.env.OMPI_COMM_WORLD_RANK ?? process.env.PMI_RANK;
  if (saved++ === 0 && rank === '1') process.kill(process.pid, 'SIGINT');
  return saveCheckpoint.apply(this, args);
};
void runCommand(process.argv.slice(2), process).then((code) => {
  process.exitCode = code;
});
