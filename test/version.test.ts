import * as fs from 'node:fs';
import { info } from '../lib/native';

jest.mock('node:fs', () => {
  const actual = jest.requireActual<typeof fs>('node:fs');
  return { ...actual, readFileSync: jest.fn(actual.readFileSync) };
});

test('the version is that of the code that runs, also when its package is replaced or removed meanwhile', () => {
  const { version } = info();
  (fs.readFileSync as jest.Mock).mockImplementation(() => {
    throw new Error('ENOENT');
  });
  expect(info().version).toBe(version);
});
