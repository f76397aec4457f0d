/** Patterns of the names of parameters, buffers and layers. */
import { OptionError } from '../errors';
import { show } from '../options';

/**
 * Picks tensors by their names. A text picks by the tensor's own name and by those of the layers that it is
 * in: 'features' picks `features.0.weight`. In a text, `*` stands for any characters, dots too, and `?` for
 * one character: 'features.*', 'layer?', '*.bias'. A RegExp is searched for in the tensor's name.
 */
export type NamePattern = string | RegExp;

/** @throws OptionError for something that is not a pattern */
export function namePattern(where: string, pattern: unknown): (name: string) => boolean {
  if (pattern instanceof RegExp) return (name) => name.search(pattern) >= 0;
  if (typeof pattern !== 'string' || pattern === '')
    throw new OptionError(
      `${where}: a pattern must be a name, such as 'features.*', or a RegExp, got ${show(pattern)}`,
    );
  return (name) => namesAround(name).some((each) => globFits(pattern, each));
}

/** The name itself, and those of the layers around it: a.b.c, a.b and a. */
function namesAround(name: string): string[] {
  const parts = name.split('.');
  return parts.map((_, i) => parts.slice(0, parts.length - i).join('.'));
}

/** Not by a RegExp, which takes exponential time for some patterns with many stars. */
function globFits(pattern: string, text: string): boolean {
  let [p, t] = [0, 0];
  // The last star, and how far what it stands for reaches.
  let [star, reach] = [-1, 0];
  while (t < text.length) {
    if (pattern[p] === '*') {
      star = p++;
      reach = t;
    } else if (p < pattern.length && (pattern[p] === '?' || pattern[p] === text[t])) {
      p++;
      t++;
    } else if (star >= 0) {
      p = star + 1;
      t = ++reach;
    } else return false;
  }
  while (pattern[p] === '*') p++;
  return p === pattern.length;
}
