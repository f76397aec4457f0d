import * as augment from '../../lib/augment';
import { planAugmentation } from '../../lib/augment/plan';

test('a list becomes one plan for the batch kernel', () => {
  expect(planAugmentation([], [28, 28])).toEqual({ flip: 0, padding: 0, size: [28, 28] });
  const list = [augment.flip(), augment.randomCrop(32, { padding: 4 })];
  expect(planAugmentation(list, [32, 32])).toEqual({ flip: 0.5, padding: 4, size: [32, 32] });
  expect(planAugmentation([augment.randomCrop([20, 24])], [32, 32])).toEqual({
    flip: 0,
    padding: 0,
    size: [20, 24],
  });
});

test.each([
  ['an unknown key', () => augment.flip({ q: 1 } as never), 'augment.flip: unknown option'],
  ['a probability above 1', () => augment.flip({ p: 1.5 }), 'p must be a number from 0 to 1'],
  ['a size of 0', () => augment.randomCrop(0), 'size (height) must be a positive integer'],
  ['no size', () => augment.randomCrop({ padding: 4 } as never), 'size (height) must be a positive integer'],
  ['nothing', () => augment.randomCrop(undefined as never), 'size (height) must be a positive integer'],
  ['three sides', () => augment.randomCrop([8, 8, 8] as never), 'must be a side or [height, width]'],
  ['no list', () => planAugmentation(augment.flip() as never, [28, 28]), 'expected a list of augmentations'],
  ['something else', () => planAugmentation([3 as never], [28, 28]), 'expected augment.flip()'],
  [
    'one given twice',
    () => planAugmentation([augment.flip(), augment.flip()], [28, 28]),
    'flip is given twice',
  ],
  [
    'a window too large',
    () => planAugmentation([augment.randomCrop(40, { padding: 4 })], [28, 28]),
    'does not fit',
  ],
])('%s is refused', (_, make, message) => {
  expect(make).toThrow(message);
  expect(make).toThrow(expect.objectContaining({ code: 'ERR_TENON_OPTION' }));
});
