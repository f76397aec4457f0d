/** Runtime scalars of the numbers that an optimizer's groups may set. */
import { checkNumber, type Bounds, type Check, type Declared } from '../settings';
import { runtimeScalar, type Tensor } from '../tensor/tensor';

export type ScalarsByName = Readonly<Record<string, Tensor>>;

/** A number that is read anew, and checked, at each step. */
export function checkedScalar(where: string, name: string, check: Check<number>, get: () => unknown): Tensor {
  return runtimeScalar(() => check(where, name, get()));
}

/** The numbers of a group, each its own or else the optimizer's, as they are when they are read. */
export function liveNumbers(declared: Declared, group: object, optimizer: object): object {
  const numbers = {};
  for (const name of Object.keys(declared))
    Object.defineProperty(numbers, name, {
      get: (): unknown => Reflect.get(group, name) ?? Reflect.get(optimizer, name),
    });
  return numbers;
}

/** A scalar for each number, and for each part of one that has parts. */
export function numberScalars(where: string, declared: Declared, numbers: object): ScalarsByName {
  const scalars: Record<string, Tensor> = {};
  for (const [name, { domain, check }] of Object.entries(declared)) {
    const get = (): unknown => Reflect.get(numbers, name);
    if (domain.type === 'tuple')
      Object.entries(domain.parts).forEach(([part, bounds], i) => {
        const checkPart = checkNumber(bounds as Bounds);
        scalars[part] = checkedScalar(where, `${name}[${i}]`, checkPart, () => Reflect.get(Object(get()), i));
      });
    else scalars[name] = checkedScalar(where, name, (...given) => Number(check(...given)), get);
  }
  return scalars;
}
