'use strict';

// Arrows point one way: a file of lib imports only what stands on its own floor, in its own room, or below. A
// room is a folder of lib or a file beside the folders. Imports of types count as well, since whoever reads a
// file follows them too.

/**
 * The floors of lib, from the top down. Rooms of one floor stand side by side: none imports another.
 * @type {readonly { rooms: readonly string[], reason: string }[]}
 */
const floors = [
  { rooms: ['index'], reason: 'The entry names what programs import. Only programs import it.' },
  { rooms: ['cli'], reason: 'The command is a program: it uses the library, which works without it.' },
  { rooms: ['tune'], reason: 'A search trains many models, and no training run knows that it is a trial.' },
  {
    rooms: ['train'],
    reason: 'A trainer puts models, data, losses and optimizers together; each works without one.',
  },
  {
    rooms: ['prune', 'regularizers'],
    reason: 'Both act on parameters of any model and choose them as parameter groups do.',
  },
  {
    rooms: ['optim', 'models', 'losses', 'metrics', 'schedules', 'augment'],
    reason: 'Parts that a user combines freely must not know each other.',
  },
  {
    rooms: ['nn'],
    reason: 'A module predicts, loads and saves itself, and does not know how it is trained.',
  },
  { rooms: ['preprocess'], reason: 'A transform is fitted to data, before there is a model.' },
  {
    rooms: ['data', 'compile'],
    reason: 'Data sets record batches as ops; what compiles a program takes any op, whatever it works on.',
  },
  {
    rooms: ['ops'],
    reason: 'An op records itself. It knows neither the passes that rewrite it nor the layers that call it.',
  },
  { rooms: ['graph'], reason: 'What records ops must not know any of them.' },
  {
    rooms: ['random', 'files'],
    reason:
      'Random states hold a scalar that ops read, and readers of files check dtypes: both need tensors only.',
  },
  { rooms: ['tensor'], reason: 'A tensor holds data or a recipe, whatever the recipe is made of.' },
  {
    rooms: ['distributed'],
    reason: 'Ranks exchange bytes and numbers; what these mean is known to the rooms above.',
  },
  { rooms: ['native'], reason: 'The door to the addon takes plain data.' },
  { rooms: ['settings'], reason: 'Declarations of settings serve every room above.' },
  {
    rooms: ['options', 'philox'],
    reason: 'Checks of arguments and arithmetic on keys know nothing of tensors.',
  },
  { rooms: ['errors'], reason: 'Every file may throw, so errors import nothing.' },
];

const pathOf = (rooms) => `^lib/(${rooms.join('|')})(/|\\.ts$)`;

const arrows = floors.flatMap(({ rooms, reason }, at) => {
  const above = floors.slice(0, at).flatMap((floor) => floor.rooms);
  return rooms.map((room) => ({
    name: `${room}-imports-from-below`,
    comment: reason,
    severity: 'error',
    from: { path: pathOf([room]) },
    to: { path: pathOf([...above, ...rooms.filter((other) => other !== room)]) },
  }));
});

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    // The entry has no floor above it and no room beside it.
    ...arrows.filter(({ from }) => from.path !== pathOf(['index'])),
    {
      name: 'no-circles',
      comment: 'Files that import each other can be neither read nor changed one at a time.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'every-room-has-a-floor',
      comment:
        'A new folder of lib gets its place in the list of floors; without one, no rule would hold for it.',
      severity: 'error',
      from: { path: '^lib/', pathNot: pathOf(floors.flatMap(({ rooms }) => rooms)) },
      to: {},
    },
    {
      name: 'lib-stands-alone',
      comment: 'lib is what the package ships; tests, benchmarks and scripts import it, never the other way.',
      severity: 'error',
      from: { path: '^lib/' },
      to: { path: '^(bench|dist|examples|scripts|test)/' },
    },
    {
      name: 'one-door-to-the-addon',
      comment: 'lib/native/load.ts alone loads the addon; lib/native.ts types its interface and its errors.',
      severity: 'error',
      from: { path: '^lib/', pathNot: '^lib/native/load\\.ts$' },
      to: { path: '\\.node$' },
    },
    {
      name: 'entries-hook-up-the-evaluator',
      comment: 'Each program gets it once, from its entry; an import elsewhere hides an entry that lacks it.',
      severity: 'error',
      from: { path: '^lib/', pathNot: '^lib/(index|cli/main|cli/tune-trial)\\.ts$' },
      to: { path: '^lib/compile/evaluate\\.ts$' },
    },
    {
      name: 'imports-exist',
      comment: 'An import that leads nowhere is in no rule.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true, pathNot: '\\.node$' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true, // counts imports of types
    tsConfig: { fileName: `${__dirname}/tsconfig.json` },
  },
};
