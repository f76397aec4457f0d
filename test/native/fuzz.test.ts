import { runChild } from './helpers';

test('random programs and arguments throw or run, and never crash', () => {
  const { status, signal, stdout, stderr } = runChild('fuzz', { args: ['1', '40'] });
  expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: '' });
  const { ran, refused } = JSON.parse(stdout) as { ran: Record<string, number>; refused: number };
  expect(refused).toBeGreaterThan(1000);
  // Every kernel was reached: the calls it starts from are right, so a refusal means that
  // its contract changed.
  expect(Object.entries(ran).filter(([, times]) => times === 0)).toEqual([]);
});
