/**
 * A recurrent controller that makes a sequence of choices, each from a softmax and fed back to it: Zoph & Le
 * 2017, "Neural architecture search with reinforcement learning".
 */
import { compile, type Compiled } from '../../compile/compile';
import * as nn from '../../nn';
import * as ops from '../../ops';
import { philox } from '../../philox';
import { streamKey, type StreamKey } from '../../random';
import { tensor, type Tensor } from '../../tensor/tensor';

/** One choice among `choices`. Decisions of one kind share their weights. */
export interface Decision {
  readonly kind: string;
  readonly choices: number;
}

/** A sequence of choices, each from 0, and the log probability with which the controller took each. */
export interface Sample {
  readonly choices: readonly number[];
  readonly logProbabilities: readonly number[];
}

/** What the loss of the controller needs. */
export interface Experience extends Sample {
  /** How much better than expected the choices were. */
  readonly advantage: number;
}

/** Weights of the two parts of the loss, see {@link Controller.loss}. */
export interface LossWeights {
  readonly clip: number;
  readonly entropy: number;
}

type Cell = Compiled<[Tensor, Tensor, Tensor, string], { logits: Tensor; h: Tensor; c: Tensor }>;

/** An LSTM (Hochreiter & Schmidhuber 1997) of one layer, with a softmax for each kind of decision. */
export class Controller {
  private readonly embedding: nn.Linear;
  private readonly gates: nn.Linear;
  private readonly offsets: ReadonlyMap<string, number>;
  /** Length of a choice as a vector: a place for the beginning, then the choices of each kind. */
  private readonly width: number;
  private readonly key: StreamKey;
  private readonly cell: Cell;
  private readonly headOf: ReadonlyMap<string, nn.Linear>;

  constructor(
    private readonly decisions: readonly Decision[],
    private readonly hidden: number,
    seed: number,
  ) {
    const kinds = new Map(decisions.map(({ kind, choices }) => [kind, choices]));
    const offsets = new Map<string, number>();
    let width = 1;
    for (const [kind, choices] of kinds) {
      offsets.set(kind, width);
      width += choices;
    }
    [this.offsets, this.width] = [offsets, width];
    this.key = streamKey(seed, 'controller');
    // Small weights: the first choices are nearly uniform, as in the paper.
    const weightInit = nn.init.uniform(-0.1, 0.1);
    this.embedding = nn.linear(width, hidden, { bias: false, weightInit });
    this.gates = nn.linear(2 * hidden, 4 * hidden, { weightInit });
    this.headOf = new Map(
      [...kinds].map(([kind, choices]) => [kind, nn.linear(hidden, choices, { weightInit })]),
    );
    const { embedding, gates, headOf } = this;
    nn.namedSequential({ embedding, gates, ...Object.fromEntries(headOf) }).initialize({ seed });
    this.cell = compile((x: Tensor, h: Tensor, c: Tensor, kind: string) => this.step(x, h, c, kind));
  }

  /** Sample number `number`: a function of the weights, the seed and the number. */
  sample(number: number): Sample {
    const choices: number[] = [];
    const logProbabilities: number[] = [];
    const zeros = (): Tensor => tensor(new Float32Array(this.hidden), [1, this.hidden]);
    let [h, c] = [zeros(), zeros()];
    this.decisions.forEach(({ kind }, t) => {
      const x = tensor(this.encode(t, choices), [1, this.width]);
      const next = this.cell.runSync(x, h, c, kind);
      [h, c] = [next.h, next.c];
      const logs = logSoftmax(next.logits.dataSync());
      const choice = pick(logs, this.uniform(number, t));
      choices.push(choice);
      logProbabilities.push(logs[choice]!);
    });
    return { choices, logProbabilities };
  }

  /**
   * The clipped objective of proximal policy optimization (Schulman et al. 2017), with a bonus for the
   * entropy of the choices: -mean(min(r A, clip(r, 1 - clip, 1 + clip) A)) - entropy H, where r is the
   * probability of a choice over the one with which it was taken. At r = 1 its gradient is that of
   * REINFORCE (Williams 1992).
   * @param encoded [T + 1, B, width], see {@link encodeBatch}
   * @param old log probabilities, [T, B]
   * @param advantage [B]
   */
  loss(encoded: Tensor, old: Tensor, advantage: Tensor, { clip, entropy }: LossWeights): Tensor {
    const [rows, batch] = encoded.shape as [number, number, number];
    const steps = rows - 1;
    let h = ops.full([batch, this.hidden], 0);
    let c = ops.full([batch, this.hidden], 0);
    const terms = this.decisions.map(({ kind, choices }, t) => {
      const row = (at: number, from: number, count: number): Tensor =>
        ops.reshape(ops.slice(encoded, [at, 0, from], [1, batch, count]), [batch, count]);
      const next = this.step(row(t, 0, this.width), h, c, kind);
      [h, c] = [next.h, next.c];
      const logs = ops.logSoftmax(next.logits);
      const log = ops.sum(ops.mul(logs, row(t + 1, this.offsets.get(kind)!, choices)), { axes: [1] });
      const before = ops.reshape(ops.slice(old, [t, 0], [1, batch]), [batch]);
      const ratio = ops.exp(ops.sub(log, before));
      const clipped = ops.minimum(ops.maximum(ratio, 1 - clip), 1 + clip);
      const gain = ops.minimum(ops.mul(ratio, advantage), ops.mul(clipped, advantage));
      const spread = ops.neg(ops.sum(ops.mul(ops.exp(logs), logs), { axes: [1] }));
      return ops.mean(ops.add(gain, ops.mul(spread, entropy)));
    });
    return ops.affine(
      terms.reduce((sum, term) => ops.add(sum, term)),
      -1 / steps,
      0,
    );
  }

  /** Choices of B samples as vectors, f32 [T + 1, B, width]: the beginning, then each choice. */
  encodeBatch(samples: readonly Sample[]): Tensor {
    const steps = this.decisions.length + 1;
    const rows = Array.from({ length: steps }, (_, t) => samples.map((s) => this.encode(t, s.choices)));
    const all = Float32Array.from(rows.flat().flatMap((row) => [...row]));
    return tensor(all, [steps, samples.length, this.width]);
  }

  dispose(): void {
    this.cell.dispose();
  }

  /** The vector that enters at step t: the choice before it. */
  private encode(t: number, choices: readonly number[]): Float32Array {
    const vector = new Float32Array(this.width);
    vector[t === 0 ? 0 : this.offsets.get(this.decisions[t - 1]!.kind)! + choices[t - 1]!] = 1;
    return vector;
  }

  private step(x: Tensor, h: Tensor, c: Tensor, kind: string): { logits: Tensor; h: Tensor; c: Tensor } {
    const { hidden } = this;
    const all = this.gates.forward(ops.concat([this.embedding.forward(x), h], 1));
    const gate = (i: number): Tensor => ops.slice(all, [0, i * hidden], [all.shape[0]!, hidden]);
    const [input, forget, output] = [0, 1, 2].map((i) => ops.sigmoid(gate(i))) as [Tensor, Tensor, Tensor];
    const cell = ops.add(ops.mul(forget, c), ops.mul(input, ops.tanh(gate(3))));
    const out = ops.mul(output, ops.tanh(cell));
    return { logits: this.headOf.get(kind)!.forward(out), h: out, c: cell };
  }

  private uniform(number: number, step: number): number {
    const words = new Uint32Array(4);
    philox(words, ...this.key, step, number, 0, 0);
    return words[0]! / 2 ** 32;
  }
}

function logSoftmax(logits: ArrayLike<number>): number[] {
  const values = Array.from(logits);
  const top = Math.max(...values);
  const total = Math.log(values.reduce((sum, v) => sum + Math.exp(v - top), 0));
  return values.map((v) => v - top - total);
}

/** The choice whose share of [0, 1) holds u. */
function pick(logs: readonly number[], u: number): number {
  let rest = u;
  const at = logs.findIndex((log) => (rest -= Math.exp(log)) < 0);
  return at < 0 ? logs.length - 1 : at;
}
