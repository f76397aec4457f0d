import { completeRecipe, parseRecipe, resumedRecipe } from '../../lib/cli/recipe';

describe('run.json', () => {
  const written = (): Record<string, unknown> =>
    JSON.parse(JSON.stringify(completeRecipe({ dataset: 'glyphs' }))) as Record<string, unknown>;

  test('is read as it was written', () => {
    expect(parseRecipe('run.json', written())).toEqual(completeRecipe({}));
  });

  test('of a run from before --last-batch goes on with keep', () => {
    const old = written();
    delete old.lastBatch;
    const kept = parseRecipe('run.json', old);
    expect(kept.lastBatch).toBe('keep');
    expect(resumedRecipe(kept, { epochs: 7 })).toMatchObject({ lastBatch: 'keep', epochs: 7 });
    expect(() => resumedRecipe(kept, { lastBatch: 'even' })).toThrow(
      '--last-batch even: the run that is resumed was started with keep',
    );
  });
});
