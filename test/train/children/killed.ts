/**
 * Trains with a checkpoint every few steps; with a step given, kills itself there as hard as a power cut
 * would. Prints the weights' digest.
 */
import { checkpoint, setThreads } from '../../../lib';
import { smallNet, smallTrainer, someGlyphs, weightsDigest } from '../helpers';

async function main([directory, killAt, threads]: string[]): Promise<void> {
  setThreads(Number(threads));
  const trainer = smallTrainer(smallNet());
  const resumed = killAt === 'resume';
  const kill = { everySteps: Number(killAt), onSteps: () => void process.kill(process.pid, 'SIGKILL') };
  const callbacks = [checkpoint(directory!, { everySteps: 5 }), ...(resumed ? [] : [kill])];
  await trainer.fit(await someGlyphs(), {
    epochs: 4,
    batchSize: 32,
    callbacks,
    ...(resumed && { resume: directory! }),
  });
  process.stdout.write(await weightsDigest(trainer.model));
}

void main(process.argv.slice(2));
