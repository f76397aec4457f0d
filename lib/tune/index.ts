/** Search for what training does not learn by itself. */
export { reinforce, Reinforce, type ReinforceOptions } from './reinforce';
export type { Decision } from './controller';
