/**
 * The operations that a study is a log of: the lines of Optuna's JournalStorage (optuna 5,
 * optuna/storages/journal/_storage.py), field for field, so that both read each other's journals.
 *
 * A log may hold several studies. Studies and trials are numbered across the whole log, by the order in which
 * they were created; a trial's number within its study is counted from 0.
 */
import type { Json } from '../../settings';

/** Optuna's numbers of what a line does. */
export const OP = {
  createStudy: 0,
  deleteStudy: 1,
  setStudyUserAttribute: 2,
  setStudySystemAttribute: 3,
  createTrial: 4,
  setParameter: 5,
  setStateAndValues: 6,
  setReport: 7,
  setTrialUserAttribute: 8,
  setTrialSystemAttribute: 9,
  /** Another implementation of this format writes it; Optuna passes over it, and so do we. */
  discardTrials: 10,
} as const;

/** Optuna's numbers of states. */
export const STATE = { running: 0, complete: 1, pruned: 2, failed: 3, waiting: 4 } as const;

/** Optuna's numbers of directions. */
export const DIRECTION = { minimize: 1, maximize: 2 } as const;

type Attributes = Readonly<Record<string, Json>>;

/** `worker_id` is the writer's. Times are ISO 8601 with a zone. Distributions are JSON within JSON. */
export type Operation = { readonly worker_id: string } & (
  | { readonly op_code: 0; readonly study_name: string; readonly directions: readonly number[] }
  | { readonly op_code: 1; readonly study_id: number }
  | { readonly op_code: 2; readonly study_id: number; readonly user_attr: Attributes }
  | { readonly op_code: 3; readonly study_id: number; readonly system_attr: Attributes }
  | ({ readonly op_code: 4; readonly study_id: number; readonly datetime_start: string | null } & Enqueued)
  | {
      readonly op_code: 5;
      readonly trial_id: number;
      readonly param_name: string;
      readonly param_value_internal: number;
      readonly distribution: string;
    }
  | {
      readonly op_code: 6;
      readonly trial_id: number;
      readonly state: number;
      readonly values: readonly number[] | null;
      readonly datetime_start?: string;
      readonly datetime_complete?: string;
    }
  | {
      readonly op_code: 7;
      readonly trial_id: number;
      readonly step: number;
      readonly intermediate_value: number;
    }
  | { readonly op_code: 8; readonly trial_id: number; readonly user_attr: Attributes }
  | { readonly op_code: 9; readonly trial_id: number; readonly system_attr: Attributes }
  | { readonly op_code: 10 }
);

/** What a new trial has from the start where somebody enqueued it, or copied it from elsewhere. */
export interface Enqueued {
  readonly state?: number;
  readonly datetime_complete?: string;
  readonly value?: number | null;
  readonly values?: readonly number[] | null;
  /** Internal values by name. */
  readonly params?: Readonly<Record<string, number>>;
  readonly distributions?: Readonly<Record<string, string>>;
  readonly user_attrs?: Attributes;
  readonly system_attrs?: Attributes;
  readonly intermediate_values?: Readonly<Record<string, number>>;
}
