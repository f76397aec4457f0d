/** Limits how many jobs run at once, and how much memory they take together. First come, first served. */
export class Semaphore {
  private running = 0;
  private taken = 0;
  private readonly waiting: { readonly bytes: number; readonly start: () => void }[] = [];

  /**
   * @param jobs the most jobs at once
   * @param bytes most bytes that running jobs may take together. A job that takes more by itself runs when no
   *   other takes any.
   */
  constructor(
    private readonly jobs: number,
    private readonly bytes = Infinity,
  ) {}

  /** Runs `job`, which takes `bytes` of memory, as soon as it has its turn. */
  async run<T>(job: () => Promise<T>, bytes = 0): Promise<T> {
    if (this.waiting.length > 0 || !this.hasRoomFor(bytes))
      await new Promise<void>((start) => this.waiting.push({ bytes, start }));
    else this.enter(bytes);
    try {
      return await job();
    } finally {
      this.running--;
      this.taken -= bytes;
      this.startNext();
    }
  }

  private hasRoomFor(bytes: number): boolean {
    const { taken } = this;
    return this.running < this.jobs && (bytes === 0 || taken === 0 || taken + bytes <= this.bytes);
  }

  private enter(bytes: number): void {
    this.running++;
    this.taken += bytes;
  }

  private startNext(): void {
    for (
      let next = this.waiting[0];
      next !== undefined && this.hasRoomFor(next.bytes);
      next = this.waiting[0]
    ) {
      this.waiting.shift();
      this.enter(next.bytes);
      next.start();
    }
  }
}
