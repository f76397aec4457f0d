/** Whether the event loop turns while something runs beside it. */

const TRIES = 20;

/**
 * `run` must take much longer than a turn of the event loop. It then has not ended when the next one comes,
 * unless the machine lets this thread wait for that long, which it does not do every time.
 */
export async function expectTurns(run: () => Promise<unknown>): Promise<void> {
  let turned = false;
  for (let tries = 0; tries < TRIES && !turned; tries++) {
    let ended = false;
    const running = run().then(() => (ended = true));
    await new Promise(setImmediate);
    turned = !ended;
    await running;
  }
  expect(turned).toBe(true);
}
