/** What a search and its workers tell each other. */
import type { Json } from '../../settings';
import type { Outcome } from './runnable';
import type { TrialFacts } from './trial';

export type ToWorker =
  /** First: which module has the objective, as a URL. */
  | { readonly type: 'open'; readonly module: string; readonly directions: number }
  | { readonly type: 'run'; readonly facts: TrialFacts<unknown> }
  | { readonly type: 'abort'; readonly reason: string }
  /** To the request of this number: why the trial should end, or what was wrong with the request. */
  | { readonly type: 'reply'; readonly id: number; readonly reason?: string; readonly error?: string };

export type Request =
  | { readonly type: 'report'; readonly id: number; readonly step: number; readonly value: number }
  | { readonly type: 'note'; readonly id: number; readonly key: string; readonly value: Json };

export type FromWorker =
  | { readonly type: 'ready' }
  /** The module has no objective. */
  | { readonly type: 'broken'; readonly error: string }
  | { readonly type: 'ended'; readonly outcome: Outcome }
  | Request;
