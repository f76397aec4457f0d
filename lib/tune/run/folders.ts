/** Where in a study's folder its trials leave what they made. */
import { join } from 'node:path';

/** The folder of a trial: `trials/0012`. */
export function trialFolder(study: string, number: number): string {
  return join(study, 'trials', String(number).padStart(4, '0'));
}
