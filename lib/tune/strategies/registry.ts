/** The strategies by name. */
import { makersByName } from '../maker';
import * as makers from './makers';
import type { Strategy } from './strategy';

/** What makes each strategy, in the order of makers.ts. */
export const strategies = makersByName<Strategy>(makers);
