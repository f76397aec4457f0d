/** The search's own notes: names of system attributes in the log. */
export const NOTE = {
  space: 'tenon:space',
  strategy: 'tenon:strategy',
  rules: 'tenon:rules',
  budget: 'tenon:budget',
  continues: 'tenon:continues',
  error: 'tenon:error',
  reason: 'tenon:reason',
  lost: 'tenon:lost',
  retries: 'tenon:retries',
  retryOf: 'tenon:retryOf',
  /** Optuna's, of a trial that somebody enqueued: values by name. */
  fixed: 'fixed_params',
} as const;
