/**
 * Optimizers on functions of two weights: the real ones, in compiled steps, on a module whose one parameter
 * is a point.
 */
import { compile, grad, nn, ops, tensor } from 'tenon';

class Point extends nn.Module {
  constructor(start) {
    super();
    this.at = nn.parameter([2], () => tensor(start));
  }
}

/**
 * The points an optimizer goes through, `start` among them. A path ends where its numbers stop being finite.
 * @param loss records the function of the parameter; @param before is called before each step with its
 *   number, from 0
 * @param noise two numbers per step that are added to its gradient
 */
export async function walk({ loss, start, optimizer, steps, noise, before }) {
  const point = new Point(start).initialize();
  const step = compile((added) => {
    optimizer.update(grad(ops.add(loss(point.at), ops.sum(ops.mul(point.at, added)))));
  });
  const path = [start];
  try {
    for (let t = 0; t < steps; t++) {
      before?.(t);
      await step(tensor(noise?.[t] ?? [0, 0]));
      path.push(Array.from(await point.at.data()));
    }
  } catch (error) {
    if (error.name !== 'NonFiniteError') throw error;
  }
  for (const each of [step, optimizer, point]) each.dispose();
  return path;
}

/** (a (x - p)^2 + b (y - q)^2) / 2 of numbers, and as ops. */
export function quadratic([a, b], [p, q]) {
  return {
    value: ([x, y]) => (a * (x - p) ** 2 + b * (y - q) ** 2) / 2,
    loss: (at) => ops.sum(ops.mul(ops.square(ops.sub(at, tensor([p, q]))), tensor([a / 2, b / 2]))),
  };
}

/** Contour lines of a (x - p)^2 / 2 + rest(y), for y in [low, high]: series without a name for a figure. */
export function contours({ a, p, rest, levels, low, high }) {
  const across = (level, y) => Math.sqrt(Math.max(0, (2 * (level - rest(y))) / a));
  const lines = levels.flatMap((level) => {
    const ys = Array.from({ length: 91 }, (_, i) => low + (i * (high - low)) / 90);
    // Runs of heights that the level reaches, with one height more at either end, where the line turns round.
    const runs = [[]];
    ys.forEach((y, i) => {
      const reached = [ys[i - 1], y, ys[i + 1]].some((each) => each !== undefined && rest(each) < level);
      if (reached) runs.at(-1).push(y);
      else if (runs.at(-1).length > 0) runs.push([]);
    });
    return runs
      .filter((run) => run.length > 0)
      .map((run) => {
        const side = (sign) => run.map((y) => [p + sign * across(level, y), y]);
        return [...side(1), ...side(-1).reverse(), side(1)[0]];
      });
  });
  return lines.map((points) => ({ points, color: '#ddd', width: 1 }));
}
