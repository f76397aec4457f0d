/** Search for what training does not learn by itself. */
export {
  augmentationPolicy,
  PolicySearch,
  type PolicyChild,
  type PolicySearchOptions,
} from './policy/augmentation-policy';
export type { Decision } from './policy/controller';
export { readPolicy, type ReadPolicyOptions } from './policy/file';
export { randomPolicy, type RandomPolicyOptions } from './policy/space';
export { reinforce, Reinforce, type ReinforceOptions } from './policy/reinforce';
export * from './strategies/makers';
export * from './rules/makers';
export type { SearchState, Strategy, Suggestion } from './strategies/strategy';
export type { Random } from './strategies/random-numbers';
export type { Steps } from './strategies/steps';
export type {
  ChoiceDomain,
  Dimension,
  Domain,
  FloatDomain,
  IntegerDomain,
  Point,
  Value,
} from './space/dimension';
export type { Direction, Report, TrialRecord, TrialState } from './study/trial';
export {
  choice,
  conditional,
  integer,
  logUniform,
  uniform,
  type Branches,
  type Choice,
  type Conditional,
  type Integer,
  type LogUniform,
  type Parameter,
  type Space,
  type Suggested,
  type SuggestedValue,
  type Uniform,
} from './space/parameters';
export { study, type StudyOptions } from './study/open';
export type { Study, Fixed } from './study/study';
export { memory } from './study/memory';
export { journal, type JournalOptions } from './study/journal';
export { postgres, type PostgresOptions } from './study/postgres';
export type { Heartbeat, Home } from './study/home';
export type { Enqueued, Operation } from './study/operation';
export type { LostTrial, Outcome, Runnable, StudyTrial } from './run/runnable';
export {
  crossValidation,
  holdOut,
  type CrossValidationOptions,
  type FoldTrial,
  type HoldOutOptions,
  type TrialFold,
} from './run/cross-validation';
export type { Objective } from './run/objective';
export type { RunOptions } from './run/options';
export type { Trial } from './run/trial';
export type { Rule, RuleState } from './rules/rule';
export { importance, type ImportanceOptions, type Judged } from './report/importance';
export { report, type ReportOptions, type WrittenReport } from './report/report';
export type { Shown } from './report/source';
export { dashboard, type Dashboard, type DashboardOptions } from './report/dashboard';
