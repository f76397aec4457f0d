/**
 * How the ranks of a world come to one state: rank 0 sends what a run changes, and where it is, and the
 * others take it over, as from a checkpoint.
 */
import { decodeSafetensors, MAX_HEADER_BYTES } from '../files/safetensors';
import { frozenNames, restoreFrozen } from '../nn/freeze';
import type { RandomState } from '../random';
import { restoreStates, statesOf } from './callback-state';
import type { Resumed, Trained } from './checkpoint';
import { parsePosition, stateJson } from './position';
import type { Ranks } from './ranks';
import type { SavedTensors } from './saved-state';
import { decodeTensors, encodeTensors } from './saved-tensors';

/** What a run changes, besides what it counts. */
export interface Shared extends Trained {
  readonly random: RandomState;
}

/** What is sent beside tensors. */
interface Numbers {
  readonly frozen: readonly string[];
  readonly optimizer: { readonly step: number; readonly born: Readonly<Record<string, number>> };
  readonly average: { readonly count: number; readonly statistics: number };
  readonly randomStep: number;
  /** Where the run that is resumed was; null for a run from the beginning. */
  readonly resumed: {
    readonly position: string;
    readonly warnings: readonly string[];
    readonly callbacks: Readonly<Record<string, unknown>>;
  } | null;
}

/** Files, as a checkpoint has them. */
const PARTS = ['model', 'optimizer', 'average', 'callbacks'] as const;

type Parts = Readonly<Record<(typeof PARTS)[number], Uint8Array>>;

const SENDER = 'rank 0';

/**
 * Gives all ranks the state of rank 0.
 * @param resumed what rank 0 has read; other ranks have nothing of it yet
 * @returns that, on all ranks
 * @throws on all ranks where one cannot take it over: its model is another one, for example
 */
export async function shareState(
  ranks: Ranks,
  shared: Shared,
  resumed: Resumed | undefined,
): Promise<Resumed | undefined> {
  const sent = await ranks.onFirst('fit', () => collect(shared, resumed));
  const [numbers] = await ranks.gather(sent?.numbers ?? null);
  const received: [string, Uint8Array][] = [];
  for (const part of PARTS) received.push([part, await ranks.bytesOfFirst(sent?.parts[part])]);
  const parts = Object.fromEntries(received) as Parts;
  return ranks.together('fit', async () => (ranks.first ? resumed : takeOver(shared, numbers!, parts)));
}

async function collect(
  { model, optimizer, average, callbacks, random }: Shared,
  resumed: Resumed | undefined,
): Promise<{ numbers: Numbers; parts: Parts }> {
  const { step, tensors, born } = optimizer.state();
  const averaged = average?.state();
  const states = await statesOf(callbacks);
  return {
    numbers: {
      frozen: frozenNames(model.tree()),
      optimizer: { step, born: Object.fromEntries(born) },
      average: { count: averaged?.count ?? 0, statistics: averaged?.statistics ?? 0 },
      randomStep: random.step,
      resumed: resumed
        ? { position: stateJson(resumed.position), warnings: resumed.warnings, callbacks: states.data }
        : null,
    },
    parts: {
      model: await model.toBuffer(),
      optimizer: await encodeTensors(optimizer.kind, tensors),
      average: await encodeTensors('average', averaged?.tensors ?? new Map()),
      callbacks: await encodeTensors('callbacks', states.tensors),
    },
  };
}

async function takeOver(
  { model, optimizer, average, callbacks, random }: Shared,
  { frozen, optimizer: { step, born }, average: counts, randomStep, resumed }: Numbers,
  parts: Parts,
): Promise<Resumed | undefined> {
  const tensorsOf = (part: keyof Parts): SavedTensors =>
    decodeTensors(decodeSafetensors(SENDER, parts[part], MAX_HEADER_BYTES));
  await model.load(parts.model, { maxHeaderBytes: MAX_HEADER_BYTES });
  restoreFrozen(model.tree(), frozen);
  await optimizer.loadState({ step, tensors: tensorsOf('optimizer'), born: new Map(Object.entries(born)) });
  await average?.loadState({ ...counts, tensors: tensorsOf('average') }, model);
  random.step = randomStep;
  if (resumed === null) return undefined;
  const states = { data: resumed.callbacks, tensors: tensorsOf('callbacks') };
  await restoreStates(SENDER, callbacks, states, { model, average });
  const position = parsePosition(SENDER, JSON.parse(resumed.position));
  return { position, warnings: resumed.warnings };
}
