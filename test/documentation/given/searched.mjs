// Nothing but a look at the study in runs/search afterwards.
import { tune } from 'tenon';
import { requireSuccess } from './trials.mjs';

export default async function look() {
  const study = await tune.study('runs/search');
  requireSuccess(study);
  await study.close();
}
