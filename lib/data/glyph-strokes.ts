/** The strokes of the digits 0 to 9, in the unit square, x to the right and y down. */

/**
 * Points of an ellipse's arc, angles in quarter turns, clockwise on screen from the right;
 * `steps` straight pieces.
 */
function arc(
  cx: number,
  cy: number,
  rx: number,
  ry: number,
  from: number,
  to: number,
  steps: number,
): number[] {
  const points: number[] = [];
  for (let i = 0; i <= steps; i++) {
    const [cos, sin] = unit(from + ((to - from) * i) / steps);
    points.push(cx + rx * cos, cy + ry * sin);
  }
  return points;
}

/**
 * Cosine and sine of `quarters` quarter turns, by Taylor series after reduction to an eighth turn: the
 * same bits everywhere.
 */
function unit(quarters: number): [number, number] {
  const whole = Math.round(quarters);
  const t = (quarters - whole) * (Math.PI / 2);
  const t2 = t * t;
  const sin = t * (1 - (t2 / 6) * (1 - (t2 / 20) * (1 - (t2 / 42) * (1 - t2 / 72))));
  const cos = 1 - (t2 / 2) * (1 - (t2 / 12) * (1 - (t2 / 30) * (1 - (t2 / 56) * (1 - t2 / 90))));
  switch (((whole % 4) + 4) % 4) {
    case 0:
      return [cos, sin];
    case 1:
      return [-sin, cos];
    case 2:
      return [-cos, -sin];
    default:
      return [sin, -cos];
  }
}

/** The polylines of each digit, points as x0, y0, x1, y1, ... */
export const GLYPHS: readonly (readonly (readonly number[])[])[] = [
  [arc(0.5, 0.5, 0.46, 0.5, -1, 3, 14)],
  [[0.22, 0.24, 0.54, 0, 0.54, 1]],
  [[...arc(0.48, 0.28, 0.42, 0.28, -2.1, 0.55, 7), 0.05, 1, 0.95, 1]],
  [arc(0.44, 0.25, 0.42, 0.25, -1.8, 1, 7), arc(0.44, 0.74, 0.5, 0.26, -1, 1.8, 7)],
  [[0.72, 1, 0.72, 0, 0.03, 0.68, 1, 0.68]],
  [[0.9, 0, 0.17, 0, 0.11, 0.45, ...arc(0.46, 0.69, 0.46, 0.31, -1.35, 1.75, 8)]],
  [[...arc(0.72, 0.62, 0.68, 0.62, -1, -2, 4), ...arc(0.5, 0.7, 0.45, 0.3, -2, 2, 11)]],
  [[0.05, 0, 0.95, 0, 0.4, 1]],
  [arc(0.5, 0.25, 0.38, 0.25, 1, 5, 10), arc(0.5, 0.75, 0.47, 0.25, -1, 3, 10)],
  [[...arc(0.5, 0.3, 0.45, 0.3, 0, 4, 11), ...arc(0.28, 0.38, 0.68, 0.62, 0, 1, 4)]],
];
