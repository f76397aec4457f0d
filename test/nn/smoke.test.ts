import '../../lib/graph/evaluate';
import * as models from '../../lib/models';
import { compile } from '../../lib/graph/compile';
import { tensor, type Tensor } from '../../lib/tensor/tensor';
test('p', () => {
  const model = models.lenet({ seed: 1 }).eval();
  const run = compile((x: Tensor) => model.forward(x), { queue: 'predict' });
  const x = tensor(new Float32Array(784), [1, 1, 28, 28]);
  const time = (name: string, fn: () => void) => { for (let k = 0; k < 3; k++) { const t0 = performance.now(); for (let i = 0; i < 100; i++) fn(); console.log(name, 'us', 10*(performance.now() - t0)); } };
  time('compiled', () => run.runSync(x));
  time('predict', () => model.predictSync(new Float32Array(784), { shape: [1, 28, 28] }));
  time('signature', () => model.signature());
  console.log(run.prepare(x).profile().map((p) => `${p.kernel} ${p.nanoseconds / p.calls / 1000} us`).join('\n'));
});
