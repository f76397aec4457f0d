import type * as fs from 'node:fs';
import type * as native from '../lib/native';

jest.mock('node:fs', () => {
  const actual = jest.requireActual<typeof fs>('node:fs');
  return { ...actual, readFileSync: jest.fn(actual.readFileSync) };
});

test('the version is that of the code that runs, also when its package is replaced or removed meanwhile', () => {
  jest.resetModules(); // what was loaded before this file reads the real files
  const { readFileSync } = jest.requireMock<typeof fs>('node:fs');
  const { info } = jest.requireActual<typeof native>('../lib/native');
  const { version } = info();
  (readFileSync as jest.Mock).mockImplementation(() => {
    throw new Error('ENOENT');
  });
  expect(info().version).toBe(version);
});
