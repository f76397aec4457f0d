/** Typed arrays by their kind. */

/**
 * The element type of a typed array, such as 'Uint8Array', by the internal tag: `instanceof` fails for arrays
 * of another realm (a vm context, a jest test), and an own `Symbol.toStringTag` could lie.
 */
export function typedArrayTag(value: unknown): string | undefined {
  const typedArray = Object.getPrototypeOf(Uint8Array.prototype) as object;
  const tag: unknown = Reflect.get(typedArray, Symbol.toStringTag, value);
  return typeof tag === 'string' ? tag : undefined;
}
