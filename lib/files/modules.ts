/** Modules that users name by a path or a URL, for functions that run elsewhere than in this thread. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { OptionError } from '../errors';
import { clip } from '../options';

/**
 * The URL of a module's file; a path is relative to the working directory.
 * @param what what it holds, for messages: `the objective`
 * @throws OptionError where there is no such file
 */
export function moduleUrl(where: string, what: string, module: string | URL): string {
  const text = String(module);
  if (module instanceof URL && module.protocol !== 'file:')
    throw new OptionError(`${where}: ${what} must be a module in a file, got ${clip(text)}`);
  const url = text.startsWith('file:') ? text : pathToFileURL(resolve(text)).href;
  if (!existsSync(fileOf(where, what, url)))
    throw new OptionError(`${where}: ${what}'s module ${clip(text)} does not exist`);
  return url;
}

function fileOf(where: string, what: string, url: string): string {
  try {
    return fileURLToPath(url);
  } catch (cause) {
    throw new OptionError(`${where}: ${what} must be a module in a file, got ${clip(url)}`, { cause });
  }
}

/** The function that a module exports as its default. @throws OptionError; what the module throws */
export async function defaultFunction(url: string): Promise<(...given: never[]) => unknown> {
  const loaded = (await import(url)) as { readonly default?: unknown };
  // An ES module sees what a CommonJS one exports as its default, and there the default within it.
  const found = loaded.default;
  const inner = (found as { readonly default?: unknown } | undefined)?.default;
  const exported = typeof found === 'function' ? found : inner;
  if (typeof exported !== 'function') throw new OptionError('its default export is not a function');
  return exported as (...given: never[]) => unknown;
}
