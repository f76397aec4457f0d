// A network and a batch of what its forward() takes.
import { nn, tensor } from 'tenon';

export const model = nn.sequential(
  nn.conv2d(3, 4, { kernel: 3 }),
  nn.relu(),
  nn.flatten(),
  nn.linear(144, 2),
);
const count = 16 * 3 * 8 * 8;
export const batch = tensor(
  Float32Array.from({ length: count }, (_, i) => Math.sin(i * i)),
  [16, 3, 8, 8],
);
