/** Progress of a run for people: a bar on a terminal, plain lines elsewhere. */
import { SingleBar, Presets } from 'cli-progress';
import { checkKeys } from '../options';
import type { Callback, EpochRecord, FitEvent, History, StepEvent } from './events';

/** A stream as progress uses it; process.stderr is one. */
export interface ProgressStream {
  readonly isTTY?: boolean;
  /** Appends a text. */
  write(text: string): unknown;
}

/** Options of `progress`. */
export interface ProgressOptions {
  /** Where to write. Default process.stderr, so that standard output stays the program's own. */
  readonly stream?: ProgressStream;
}

/**
 * Reports a run: on a terminal a bar for the epoch that is being trained; everywhere one line for
 * each epoch done.
 */
export function progress(options: ProgressOptions = {}): Callback {
  checkKeys('progress', options, ['stream']);
  const stream = options.stream ?? process.stderr;
  const bar = stream.isTTY === true ? new EpochBar(stream) : undefined;
  let epochs = 0;
  return {
    onEvent(event: FitEvent) {
      switch (event.type) {
        case 'start':
          epochs = event.epochs;
          break;
        case 'step':
          bar?.show(event, epochs);
          break;
        case 'epoch':
          bar?.clear();
          stream.write(`${describeEpoch(event, epochs)}\n`);
          break;
        case 'warning':
          bar?.clear();
          stream.write(`warning: ${event.message}\n`);
          break;
        case 'done':
          if (event.history.best !== undefined) stream.write(`${describeBest(event.history)}\n`);
          break;
        case 'checkpoint':
          break;
      }
    },
    // A bar draws itself by a timer, which would keep the process alive after a run that failed.
    onEnd() {
      bar?.clear();
    },
  };
}

/**
 * `epoch 3/10 loss 0.1234 accuracy 96.5% validation 0.1311, 96.1% 5120 images/s 12.3 s`, the penalty of
 * regularizers where there are any, and the wait for data where it matters.
 */
export function describeEpoch(record: EpochRecord, epochs: number): string {
  const parts = [`epoch ${record.epoch}/${epochs}`, `loss ${record.trainLoss.toFixed(4)}`];
  if (record.penalty !== undefined) parts.push(`penalty ${record.penalty.toFixed(4)}`);
  if (record.trainAccuracy !== undefined) parts.push(`accuracy ${percent(record.trainAccuracy)}`);
  if (record.validationLoss !== undefined) {
    const accuracy = record.validationAccuracy === undefined ? '' : `, ${percent(record.validationAccuracy)}`;
    parts.push(`validation ${record.validationLoss.toFixed(4)}${accuracy}`);
  }
  parts.push(`${record.imagesPerSecond.toFixed(0)} images/s`, `${record.seconds.toFixed(1)} s`);
  if (record.dataWaitMs > 50 * record.seconds)
    parts.push(`waited ${(record.dataWaitMs / 1000).toFixed(1)} s for data`);
  return parts.join('  ');
}

/** `earlyStopping after epoch 12: the best validationLoss is 0.1311, of epoch 7`. */
function describeBest({ best, stopped, epochs }: History): string {
  const { metric = '', value = NaN, epoch } = best ?? {};
  return `${stopped} after epoch ${epochs.length}: the best ${metric} is ${value.toFixed(4)}, of epoch ${epoch}`;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(2)}%`;
}

class EpochBar {
  private bar: SingleBar | undefined;

  constructor(private readonly stream: ProgressStream) {}

  show({ epoch, stepInEpoch, stepsPerEpoch, loss }: StepEvent, epochs: number): void {
    this.bar ??= this.start(stepsPerEpoch ?? 0);
    this.bar.update(stepInEpoch, { epoch: `${epoch}/${epochs}`, loss: loss.toFixed(4) });
  }

  clear(): void {
    this.bar?.stop();
    this.bar = undefined;
  }

  private start(total: number): SingleBar {
    const format =
      total > 0
        ? 'epoch {epoch} {bar} {value}/{total}  loss {loss}  {eta_formatted} left'
        : 'epoch {epoch}  step {value}  loss {loss}';
    const bar = new SingleBar(
      {
        format,
        stream: this.stream as NodeJS.WriteStream,
        clearOnComplete: true,
        hideCursor: true,
        barsize: 30,
      },
      Presets.shades_classic,
    );
    bar.start(total, 0, { epoch: '', loss: '' });
    return bar;
  }
}
