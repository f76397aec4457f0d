/** Lists whose entries have names, such as the networks and the data sets. */

/** A list of entries of one type: `named<Network>()({ lenet: ... })`. Its type keeps the names. */
export function named<Entry>() {
  return <Name extends string>(list: Readonly<Record<Name, Entry>>): Readonly<Record<Name, Entry>> => list;
}

/** The names of a list, in its order. */
export function namesOf<Name extends string>(list: Readonly<Record<Name, unknown>>): readonly Name[] {
  return Object.keys(list) as Name[];
}

/** `a, b or c`. */
export function orList(words: readonly string[]): string {
  return words.join(', ').replace(/, ([^,]*)$/, ' or $1');
}
