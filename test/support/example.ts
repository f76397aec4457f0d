/** Examples with a package.json of their own run in a folder as their users have it. */

interface Installer {
  /**
   * Copies examples/`name` to a temporary folder and links what its package.json depends on: this checkout,
   * which must be built, as tenon, and the packages of its devDependencies, whose versions must be those that
   * the example asks for. Returns the folder.
   */
  readonly installExample: (name: string) => string;
}

export const { installExample } = jest.requireActual<Installer>('../../scripts/verify/install-example.js');
