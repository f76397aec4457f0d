/** Hands a planned list of calls to the addon, and runs it. */
import { DisposedError } from '../errors';
import * as native from '../native';
import type { AnyArray, ProgramDesc, ProgramHandle, RunResult, Target } from '../native';
import { storedDType } from '../tensor/dtype';
import type { Storage } from '../tensor/storage';
import { hoistConstants } from './constants';
import type { Operand, Slot } from '../graph/lowering';
import { rootOf, type Lowered } from './lower';
import { planMemory, type MemoryPlan } from './plan';

/** Places of memory, as lib/native.ts numbers them. */
const arenaPlace = -1;
const scalarPlace = -2;
const firstInputPlace = -3;

/** What the calls of a kernel from one op of one layer took, summed over runs. */
export interface KernelProfile {
  readonly kernel: string;
  /** Op and layer the call came from. */
  readonly op: string;
  readonly scope: string;
  /** Why it is as it is, where a rule has decided that: `fp32: fewer than 64 rows`. */
  readonly note?: string | undefined;
  readonly calls: number;
  readonly nanoseconds: number;
  readonly flops: number;
  readonly bytes: number;
}

/** Collects the tensor table, the buffers and the scalars of a description. */
class DescriptionBuilder {
  private readonly places = new Map<Storage, number>();
  private readonly scalarPlaces = new Map<() => number, number>();
  private readonly words: number[] = [];
  private readonly rows = new Map<string, number>();

  constructor(
    { calls, outputs }: Lowered,
    private readonly plan: MemoryPlan,
    private readonly target: Target,
  ) {
    // All buffers first: the numbers of constants follow theirs.
    for (const { slot } of [...calls.flatMap((call) => [...call.inputs, ...call.outputs]), ...outputs]) {
      const leaf = rootOf(slot).leaf;
      if (leaf?.kind === 'storage') numberOf(this.places, leaf.storage);
    }
  }

  get buffers(): native.NativeBuffer[] {
    return [...this.places.keys()].map((storage) => storage.buffer);
  }

  get scalars(): (() => number)[] {
    return [...this.scalarPlaces.keys()];
  }

  get tensors(): Float64Array {
    return Float64Array.from(this.words);
  }

  /** Row of the operand in the tensor table. */
  tensor(operand: Operand): number {
    const [place, offset] = this.placeOf(rootOf(operand.slot));
    const dtype = native.DTYPE_CODES[storedDType(operand.dtype, this.target)];
    const row = [place, offset, dtype, operand.dims.length, ...operand.dims];
    while (row.length < native.TENSOR_ROW) row.push(0);
    const key = row.join();
    let index = this.rows.get(key);
    if (index === undefined) {
      index = this.words.length / native.TENSOR_ROW;
      this.words.push(...row);
      this.rows.set(key, index);
    }
    return index;
  }

  private placeOf(slot: Slot): [place: number, offset: number] {
    const leaf = slot.leaf;
    if (leaf === undefined) return [arenaPlace, this.plan.offsets.get(slot) ?? 0];
    switch (leaf.kind) {
      case 'input':
        return [firstInputPlace - leaf.index, 0];
      case 'scalar':
        return [scalarPlace, 8 * numberOf(this.scalarPlaces, leaf.get)];
      case 'storage':
        return [this.places.get(leaf.storage)!, 0];
      case 'constant':
        return [this.places.size + leaf.index, 0];
    }
  }
}

/** The place of an item, in the order in which items were first asked for. */
function numberOf<T>(places: Map<T, number>, item: T): number {
  let place = places.get(item);
  if (place === undefined) places.set(item, (place = places.size));
  return place;
}

export interface ProgramOptions {
  readonly target: Target;
  readonly queue: 'train' | 'predict';
  /** Stored byte length of each run-time input. */
  readonly inputBytes: readonly number[];
  /** Storages that a run writes. */
  readonly writes: readonly Storage[];
}

/** A compiled program: a list of kernel calls over planned memory. */
export class Program {
  readonly arenaBytes: number;
  /** @internal */
  readonly lowered: Lowered;
  private readonly constantCalls: number;
  private handle: ProgramHandle | undefined;
  private readonly scalars: readonly (() => number)[];
  private readonly writes: readonly Storage[];

  /** @internal */
  constructor(given: Lowered, options: ProgramOptions) {
    const { lowered, constantCalls } = hoistConstants(given, options.writes, options.queue);
    const plan = planMemory(lowered);
    const build = new DescriptionBuilder(lowered, plan, options.target);
    const calls = lowered.calls.map((call) => ({
      kernel: call.kernel,
      tensors: [...call.inputs, ...call.outputs].map((o) => build.tensor(o)),
      outputs: call.outputs.length,
      attrs: call.attrs,
    }));
    const outputs = lowered.outputs.map((o) => build.tensor(o));
    const { scalars } = build; // once all operands are known
    const description: ProgramDesc = {
      target: options.target,
      queue: options.queue,
      arenaBytes: plan.arenaBytes,
      scalars: scalars.length,
      buffers: build.buffers,
      inputs: [...options.inputBytes],
      tensors: build.tensors,
      calls,
      constantCalls,
      commitStart: lowered.commitStart,
      outputs,
    };
    this.handle = native.createProgram(description);
    this.arenaBytes = plan.arenaBytes;
    this.lowered = lowered;
    this.constantCalls = constantCalls;
    this.scalars = scalars;
    this.writes = options.writes;
  }

  /** @internal Runs once, off the event loop. @throws DisposedError */
  run(inputs: AnyArray[]): Promise<RunResult> {
    const result = native.runProgram(this.live(), inputs, this.scalarValues());
    this.countWrites();
    return result;
  }

  /** @internal As `run`, but blocks. @throws DisposedError */
  runSync(inputs: AnyArray[]): RunResult {
    const result = native.runProgramSync(this.live(), inputs, this.scalarValues());
    this.countWrites();
    return result;
  }

  /**
   * Time, work and traffic of each call since the program was made. Calls that run only when parameters
   * change are left out.
   */
  profile(): KernelProfile[] {
    return native.profileProgram(this.live()).map((entry, i) => {
      const call = this.lowered.calls[this.constantCalls + i]!;
      return { ...entry, op: call.op, scope: call.scope, note: call.note };
    });
  }

  /**
   * Ends the runs that are queued, and the one that is running unless it has begun to commit: each rejects
   * with an AbortedError and changes nothing.
   */
  cancel(): void {
    native.cancelProgram(this.live());
  }

  /** Frees the memory now instead of at garbage collection. */
  dispose(): void {
    if (this.handle !== undefined) native.disposeProgram(this.handle);
    this.handle = undefined;
  }

  private live(): ProgramHandle {
    if (this.handle === undefined) throw new DisposedError('this program was disposed');
    return this.handle;
  }

  private scalarValues(): Float64Array {
    return Float64Array.from(this.scalars, (get) => get());
  }

  private countWrites(): void {
    for (const storage of this.writes) storage.version++;
  }
}
