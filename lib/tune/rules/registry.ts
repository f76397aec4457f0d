/** The rules by name. */
import { makersByName } from '../maker';
import * as makers from './makers';
import type { Rule } from './rule';

/** What makes each rule, in the order of makers.ts. */
export const rules = makersByName<Rule>(makers);
