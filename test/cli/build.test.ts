import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { itBuilt, main, root } from './support';

function manifest(...path: string[]): Record<string, Record<string, string>> {
  return JSON.parse(readFileSync(join(root, ...path), 'utf8')) as Record<string, Record<string, string>>;
}

describe('tenon build', () => {
  it('installs the tools that a checkout has', () => {
    const { devDependencies } = manifest('package.json');
    const { dependencies } = manifest('native', 'tools', 'package.json');
    expect(Object.keys(dependencies!)).toHaveLength(4);
    expect(devDependencies).toMatchObject(dependencies!);
  });

  itBuilt('names all that the machine lacks, with the commands that install it', () => {
    const { status, stderr } = spawnSync(process.execPath, [main, 'build'], {
      encoding: 'utf8',
      env: { PATH: '/nowhere' },
    });
    expect(status).toBe(1);
    expect(stderr).toMatch(/needs a C\+\+20 compiler .*, and make, and cmake or python3:\n.*apt-get install/);
    expect(stderr).toContain('apk add g++ make cmake');
  });
});
