/**
 * A model of the time of a step of data-parallel training, one rank on each host:
 *
 * step(n)    = compute + max(tail, exchange(n) - overlap)
 * exchange   = bytes / link + bytes * local + buckets * 2 * (latency + (n - 1) * message)
 *   bytes    : 2 (n - 1) / n of the gradients leave each rank, and as many come: slices out, sums back
 *   local    : what copies and sums take of the processor, a byte
 *   latency  : of one message; message: what each further one takes of the communication thread
 * overlap    = what of backward is left when the first bucket is ready: backward is two thirds of a step
 * tail       = the last bucket, which nothing hides
 */
const BUCKET = 4 << 20;
/** The part of a link's nominal rate that TCP carries. */
const PAYLOAD = 0.94;
const BACKWARD = 2 / 3;

/** Seconds, and seconds per byte: measured on two cores of a shared server processor. */
export const COSTS = { latency: 50e-6, message: 12e-6, local: 0.83e-9 };

/** Seconds of exchanging so many bytes of gradients over links of so many Gbit/s, and of the last bucket. */
export function exchange(gradients, hosts, link, { latency, message, local } = COSTS) {
  const bytes = (2 * (hosts - 1) * gradients) / hosts;
  const buckets = Math.ceil(gradients / BUCKET);
  const rate = (link * 1e9 * PAYLOAD) / 8;
  const seconds = bytes / rate + bytes * local + buckets * 2 * (latency + (hosts - 1) * message);
  return { seconds, tail: seconds / buckets };
}

/** Seconds of a step that computes for `compute`. */
export function step(compute, gradients, hosts, link, costs = COSTS) {
  const { seconds, tail } = exchange(gradients, hosts, link, costs);
  return compute + Math.max(tail, seconds - BACKWARD * compute);
}
