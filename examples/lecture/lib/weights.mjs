import { assign, compile, tensor } from 'tenon';

/** Sets every parameter of an initialized model to new numbers: fill(name, count) for each. */
export async function fillParameters(model, fill) {
  const entries = [...model.namedParameters()];
  const values = entries.map(([name, parameter]) => tensor(fill(name, parameter.size), parameter.shape));
  await compile(() => {
    entries.forEach(([, parameter], i) => assign(parameter, values[i]));
    return values[0];
  })();
}
