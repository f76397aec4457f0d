import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { augment, data, FormatError, losses, nn, optim, OptionError, Trainer, tune } from '../../../lib';
import { seal } from '../../../lib/files/sealed-json';
import { policyDecisions, policyOf } from '../../../lib/tune/policy/space';

const side = 8;

/** Two classes of images that differ by their brightness. */
async function images(count: number): Promise<data.Dataset> {
  const pixels = side * side * 3;
  return data.fromArrays({
    images: Uint8Array.from({ length: count * pixels }, (_, i) => {
      const bright = Math.floor(i / pixels) % 2;
      return 60 + 100 * bright + ((i * 7919) % 40);
    }),
    labels: Int32Array.from({ length: count }, (_, i) => i % 2),
    shape: [side, side, 3],
  });
}

const model = (): nn.Module => nn.sequential(nn.flatten(), nn.linear(3 * side * side, 2));

async function search(more: Partial<tune.PolicySearchOptions> = {}): Promise<tune.PolicySearch> {
  const [train, validation] = [await images(24), await images(16)];
  return tune.augmentationPolicy({
    train,
    validation,
    model,
    epochs: 1,
    children: 4,
    subPolicies: 2,
    ...more,
  });
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

const withoutTime = (children: readonly tune.PolicyChild[]): unknown[] =>
  children.map(({ number, policy, accuracy }) => ({ number, policy, accuracy }));

describe('the space of policies', () => {
  it('is that of the paper', () => {
    const count = policyDecisions(5).reduce((product, { choices }) => product * choices, 1);
    expect(count / 1e32).toBeCloseTo((16 * 11 * 10) ** 10 / 1e32, 5);
  });

  it('has a policy for each sequence of choices', () => {
    const last = policyDecisions(2).map(({ choices }) => choices - 1);
    const policy = policyOf(last);
    expect(policy.map((steps) => steps.length)).toEqual([2, 2]);
    expect(policy[1]![1]!.slice(1)).toEqual([1, 9]);
    expect(() => augment.policy(policy)).not.toThrow();
  });

  it('is drawn from uniformly by randomPolicy', () => {
    const steps = tune.randomPolicy({ seed: 2, subPolicies: 800 }).flat();
    const names = new Map<string, number>();
    for (const [name] of steps) names.set(name, (names.get(name) ?? 0) + 1);
    expect(names.size).toBe(16);
    // 100 each of 1600; five standard deviations are 48.
    for (const count of names.values()) expect(Math.abs(count - 100)).toBeLessThan(48);
    expect(tune.randomPolicy({ seed: 2 })).toEqual(tune.randomPolicy({ seed: 2 }));
    expect(() => tune.randomPolicy({ subPolicies: 0 })).toThrow(OptionError);
  });
});

describe('tune.augmentationPolicy', () => {
  it('goes on behind a child that diverges', async () => {
    const rates = [1e38, 0.1];
    const found = await search({
      children: 2,
      batchSize: 4,
      optimizer: () => optim.sgd({ lr: rates.shift()! }),
    });
    const [first, second] = await all(found);
    expect(first!.accuracy).toBe(0);
    expect(second!.accuracy).toBeGreaterThan(0);
  });

  it('trains children, and joins the policies of the best', async () => {
    const found = await search();
    expect(() => found.best()).toThrow('no child');
    const children = await all(found);
    expect(children.map(({ number }) => number)).toEqual([1, 2, 3, 4]);
    const best = Math.max(...children.map(({ accuracy }) => accuracy));
    expect(found.best(1)).toEqual(children.find(({ accuracy }) => accuracy === best)!.policy);
    expect(found.best(3)).toHaveLength(6);
  }, 60_000);

  it('trains children from the weights of a trained model', async () => {
    const base = model().initialize({ seed: 3 });
    const start = await base.toBuffer();
    const frozen = { epochs: 1, optimizer: () => optim.sgd({ lr: 0 }) };
    const children = await all(await search({ ...frozen, model: () => nn.load(start) }));
    const trainer = new Trainer(base, { loss: losses.crossEntropy(), optimizer: optim.sgd({ lr: 0 }) });
    const { accuracy } = await trainer.evaluate(await images(16));
    expect(children.map((child) => child.accuracy)).toEqual(children.map(() => accuracy));
  }, 60_000);

  describe('with a journal', () => {
    let folder: string;
    beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'tenon-policy-'))));
    afterEach(() => rmSync(folder, { recursive: true }));

    it('continues where it was interrupted, with the same children', async () => {
      const journal = join(folder, 'search.json');
      const whole = withoutTime(await all(await search()));
      let trained = 0;
      const counting = (): nn.Module => {
        trained++;
        return model();
      };
      for await (const { number } of await search({ journal })) if (number === 2) break;
      const again = await all(await search({ journal, model: counting }));
      expect(withoutTime(again)).toEqual(whole);
      expect(trained).toBe(2);
    }, 60_000);

    it.each([
      ['truncated', (text: string) => text.slice(0, -40)],
      ['not a journal', () => '[]'],
      ['edited', (text: string) => text.replace('"accuracy": ', '"accuracy": 1')],
    ])(
      'refuses one that is %s',
      async (_, damage) => {
        const journal = join(folder, 'search.json');
        await all(await search({ journal, children: 1 }));
        writeFileSync(journal, damage(readFileSync(journal, 'utf8')));
        await expect(all(await search({ journal }))).rejects.toThrow(FormatError);
      },
      60_000,
    );

    it('is read as the policy that the search found', async () => {
      const [journal, plain] = [join(folder, 'search.json'), join(folder, 'best.json')];
      const found = await search({ journal });
      await all(found);
      expect(await tune.readPolicy(journal)).toEqual(found.best());
      expect(await tune.readPolicy(journal, { count: 2 })).toEqual(found.best(2));
      writeFileSync(plain, JSON.stringify(found.best()));
      expect(augment.policy(await tune.readPolicy(plain)).settings).toEqual(
        augment.policy(found.best()).settings,
      );
    }, 60_000);

    it.each([
      ['{"form": "another"}', FormatError, 'it is not the journal of a policy search'],
      ['[[["Rotat", 1, 3]]]', FormatError, 'step 1 of sub-policy 1: unknown operation "Rotat"'],
      ['[]', FormatError, 'there are no sub-policies'],
      ['7', FormatError, 'it is not the journal'],
      ['[', FormatError, 'it is not JSON'],
    ])('is refused as a policy where it holds %s', async (text, kind, message) => {
      const file = join(folder, 'policy.json');
      writeFileSync(file, text);
      await expect(tune.readPolicy(file)).rejects.toThrow(kind);
      await expect(tune.readPolicy(file)).rejects.toThrow(message);
    });

    it('is refused as a policy where a choice is none of the space', async () => {
      const file = join(folder, 'policy.json');
      for (const choices of [[], [0, 0, 0], [16, 0, 0, 0, 0, 0], [0, -1, 0, 0, 0, 0]]) {
        const children = [{ choices, accuracy: 0.5, seconds: 1 }];
        const json = JSON.stringify({ form: 'tenon-policy-search-1', settings: '{}', children }, null, 1);
        writeFileSync(file, seal(json));
        await expect(tune.readPolicy(file)).rejects.toThrow(
          'the choices of child 0 are not those of a policy',
        );
      }
      await expect(tune.readPolicy(join(folder, 'none.json'))).rejects.toThrow('does not exist');
      await expect(tune.readPolicy(file, { count: 0 })).rejects.toThrow(OptionError);
    });

    it('refuses one of a search with other settings', async () => {
      const journal = join(folder, 'search.json');
      await all(await search({ journal, children: 1 }));
      await expect(all(await search({ journal, seed: 1 }))).rejects.toThrow('other settings');
    }, 60_000);
  });

  it.each([
    [{ train: 7 }, 'train must be a Dataset'],
    [{ model: 7 }, 'model must be a function'],
    [{ children: 0 }, 'children'],
    [{ subPolicies: 1.5 }, 'subPolicies'],
    [{ childs: 3 }, 'childs'],
  ])('refuses %j', async (more, message) => {
    await expect(search(more as Partial<tune.PolicySearchOptions>)).rejects.toThrow(OptionError);
    await expect(search(more as Partial<tune.PolicySearchOptions>)).rejects.toThrow(message);
  });

  it('refuses a child that is not a module', async () => {
    const found = await search({ model: (() => 7) as unknown as () => nn.Module });
    await expect(all(found)).rejects.toThrow('must return a Module');
  });

  it('stops where its signal fires', async () => {
    const controller = new AbortController();
    const found = await search({ signal: controller.signal });
    const run = async (): Promise<void> => {
      for await (const child of found) if (child.number === 1) controller.abort();
    };
    await expect(run()).rejects.toThrow('aborted');
    expect(found.children).toHaveLength(1);
  }, 60_000);
});
