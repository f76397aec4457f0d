/** How many features or channels layers take, while a program runs; lib/nn/typing.ts is for the compiler. */

/**
 * A number; `same` of a layer that takes any number and passes on as many; undefined of one that
 * does not say.
 */
export type Width = number | 'same' | undefined;

/** The key under which a layer has its width. A symbol leaves all names free for users' classes. */
export const WIDTH = Symbol('width');
