/** Settings declared once: kinds, declaration, reading, the form in files. */
export {
  bool,
  checkNumber,
  finite,
  integer,
  listOf,
  nonEmptyString,
  nonNegative,
  nonNegativeInteger,
  number,
  oneOf,
  positive,
  positiveInteger,
  probability,
} from './kinds';
export {
  kind,
  type Bounds,
  type Check,
  type Domain,
  type Json,
  type Kind,
  type KindOptions,
  type Presence,
  type Setting,
} from './setting';
export {
  declareSettings,
  Settings,
  type Declared,
  type KeptOf,
  type OptionsOf,
  type ValuesOf,
} from './settings';
