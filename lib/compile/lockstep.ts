/**
 * Parts of a batch in one program: each is a list of calls over memory of its own, cut where all parts have
 * to meet. Between two meetings, one part runs after the other.
 */
import { TraceError } from '../errors';
import type { KernelAttrs } from '../native';
import type { KernelCall, Lowered } from './lower';

/** @throws TraceError where the parts do not meet at the same calls */
export function inLockstep(parts: readonly Lowered[]): Lowered {
  const mains = parts.map(({ calls, commitStart }) => cut(calls.slice(0, commitStart)));
  const { meetings } = mains[0]!;
  if (mains.some((main) => main.meetings.length !== meetings.length))
    throw new TraceError('compile: parts that run together must meet as often as each other');
  const calls = mains[0]!.stretches.flatMap((_, i) => [
    ...mains.flatMap(({ stretches }) => stretches[i]!),
    ...(i < meetings.length ? [joined(mains.map((main) => main.meetings[i]!))] : []),
  ]);
  return {
    calls: [...calls, ...parts.flatMap((part) => part.calls.slice(part.commitStart))],
    commitStart: calls.length,
    outputs: parts.flatMap(({ outputs }) => outputs),
  };
}

interface Cut {
  readonly meetings: readonly KernelCall[];
  /** One more than there are meetings. */
  readonly stretches: readonly (readonly KernelCall[])[];
}

function cut(calls: readonly KernelCall[]): Cut {
  const meetings: KernelCall[] = [];
  const stretches: KernelCall[][] = [[]];
  for (const call of calls) {
    if (call.together !== true) {
      stretches.at(-1)!.push(call);
      continue;
    }
    meetings.push(call);
    stretches.push([]);
  }
  return { meetings, stretches };
}

/**
 * The call that parts make as one. Its outputs are in the memory of the first part, which the others read.
 */
function joined(calls: readonly KernelCall[]): KernelCall {
  const [first, ...others] = calls as [KernelCall, ...KernelCall[]];
  for (const { kernel, outputs } of others) {
    if (kernel !== first.kernel || outputs.length !== first.outputs.length)
      throw new TraceError(`compile: parts that run together meet at ${first.kernel} and at ${kernel}`);
    outputs.forEach(({ slot }, i) => (slot.alias = first.outputs[i]!.slot));
  }
  return {
    ...first,
    inputs: calls.flatMap(({ inputs }) => inputs),
    attrs: joinedAttrs(calls.map(({ attrs }) => attrs)),
  };
}

/** Lists are joined; all else is the same in all parts. */
function joinedAttrs(all: readonly KernelAttrs[]): KernelAttrs {
  return Object.fromEntries(
    Object.entries(all[0]!).map(([name, value]) => {
      const values = all.map((attrs) => attrs[name]!);
      return [name, typeof value === 'object' ? values.flatMap((list) => list as readonly number[]) : value];
    }),
  );
}
