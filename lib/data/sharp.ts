/**
 * The door to sharp, an optional peer dependency loaded at first use. Nothing that this file exports may show
 * in a type of the public API: who has no sharp has no types of it either.
 */
import type sharpFunction from 'sharp';
import { TenonError } from '../errors';
import { loadProblemOf } from '../options';

type SharpModule = typeof sharpFunction;

let loaded: SharpModule | undefined;

/** @throws TenonError telling how to install it */
export function loadSharp(): SharpModule {
  if (loaded !== undefined) return loaded;
  let sharp: SharpModule;
  try {
    // Not import(): in CommonJS output it stays one, and the vm contexts that jest runs tests in refuse it.
    // eslint-disable-next-line @typescript-eslint/no-require-imports
    sharp = require('sharp') as SharpModule;
  } catch (error) {
    throw new TenonError(
      `reading and writing images needs the package "sharp", which cannot be loaded: run npm install sharp (${loadProblemOf(error)})`,
      { cause: error },
    );
  }
  // Many images are decoded at once, so threads inside one decode only compete. No image is opened twice
  // soon, so a cache is useless.
  sharp.concurrency(1);
  sharp.cache(false);
  loaded = sharp;
  return sharp;
}
