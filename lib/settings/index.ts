/** Settings declared once: kinds, declaration, reading, the form in files. */
export {
  bool,
  finite,
  listOf,
  nonEmptyString,
  nonNegative,
  nonNegativeInteger,
  oneOf,
  positive,
} from './kinds';
export { positiveInteger, probability } from './kinds';
export { kind, type Check, type Domain, type Json, type Kind, type Presence, type Setting } from './setting';
export { declareSettings, Settings, type Declared, type OptionsOf, type ValuesOf } from './settings';
