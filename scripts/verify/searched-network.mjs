/** The network whose settings the checks of searches look for. */
import { nn } from 'tenon';

/** Two convolutions for images of 3x32x32 in ten classes. */
export const network = (width) =>
  nn.sequential(
    nn.conv2d(3, width, { kernel: 3, padding: 1 }),
    nn.relu(),
    nn.maxPool2d(2),
    nn.conv2d(width, 2 * width, { kernel: 3, padding: 1 }),
    nn.relu(),
    nn.maxPool2d(2),
    nn.flatten(),
    nn.linear(128 * width, 10),
  );
