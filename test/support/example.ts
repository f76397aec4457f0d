/** Examples with a package.json of their own run in a folder as their users have it. */

interface Installer {
  readonly installExample: (name: string) => string;
}

export const { installExample } = jest.requireActual<Installer>('../../scripts/verify/install-example.js');
