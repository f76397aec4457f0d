/**
 * No message prints more than 200 characters of a value: every function of the public API is called with values that are long as text,
 * in every place, and in every option it says it knows.
 */
import * as tenon from '../lib';
import { TenonError } from '../lib/errors';

const LONG = 'x'.repeat(100_000);

class Odd {
  get [Symbol.toStringTag](): string {
    return LONG;
  }
}

/** Each is more than 200 characters wherever it is written out. */
const longValues: readonly unknown[] = [
  LONG,
  Array.from({ length: 8 }, () => Array<string>(8).fill(LONG)),
  Array(100_000).fill(LONG),
  Array(100_000).fill(1),
  Symbol(LONG),
  10n ** 5000n,
  new Odd(),
  new RegExp(LONG),
  new Error(LONG),
];

type Callable = (...args: never[]) => unknown;

/** Exported functions and classes, by what a user calls them. */
function callables(value: object, path: string, found = new Map<string, Callable>()): Map<string, Callable> {
  for (const [name, member] of Object.entries(value) as [string, unknown][]) {
    const at = path === '' ? name : `${path}.${name}`;
    if (typeof member === 'function') found.set(at, member as Callable);
    else if (typeof member === 'object' && member !== null && /^[a-z]/.test(name))
      callables(member, at, found);
  }
  return found;
}

/** The first arguments that make a call get further than its first check. */
const beginnings: readonly (readonly unknown[])[] = [
  [],
  [1],
  [[1, 2]],
  [tenon.zeros([1, 2, 4, 4])],
  [tenon.nn.linear(2, 2)],
  ['a'],
];

async function failureOf(work: () => unknown): Promise<unknown> {
  try {
    const result = work();
    // What is not awaited may be a promise all the same; no call here works for long.
    if (result instanceof Promise || result instanceof tenon.Fit) await result;
  } catch (error) {
    return error;
  }
  return undefined;
}

/** How much of a message is made of a value: the longest run that only the values above can make. */
function printed(message: string): number {
  const runs = message.match(/x{20,}|(?:1, ?){20,}|0{20,}/g) ?? [];
  return Math.max(0, message.length > 1500 ? message.length : 0, ...runs.map((run) => run.length));
}

const known = /; known: (.*)$/s;

async function optionsOf(call: (options: object) => unknown): Promise<string[]> {
  const error = await failureOf(() => call({ zzzzzzzz: 1 }));
  return known.exec((error as Error | undefined)?.message ?? '')?.[1]?.split(', ') ?? [];
}

/** Not called: what only makes an error of its message, what changes other tests, helpers that take the name of whoever calls them. */
const notCalled = /(Error|setThreads|checkWindow|Optimizer)$/;

const all = callables(tenon, '');

test.each([...all.keys()].filter((name) => !notCalled.test(name)))('%s', async (name) => {
  const target = all.get(name)!;
  const call = (...args: unknown[]): unknown =>
    /^[A-Z]/.test(name.split('.').at(-1)!)
      ? Reflect.construct(target, args)
      : Reflect.apply(target, undefined, args);
  const tooLong: string[] = [];
  const check = async (...args: unknown[]): Promise<void> => {
    const error = await failureOf(() => call(...args));
    if (error instanceof TenonError && printed(error.message) > 200)
      tooLong.push(error.message.slice(0, 300));
  };
  for (const first of beginnings) {
    for (const value of longValues) await check(...first, value);
    for (const key of await optionsOf((options) => call(...first, options)))
      for (const value of longValues) await check(...first, { [key]: value });
  }
  expect(tooLong).toEqual([]);
});
