/**
 * The declarations of the package as users import it, compiled with every strict flag. They are those of
 * dist/, which `npm test` builds first.
 */
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ts from 'typescript';

const root = join(__dirname, '..', '..');
const built = join(root, 'dist');
const testBuilt = existsSync(join(built, 'index.d.mts')) ? test : test.skip;
let folder: string;

/**
 * What a user's program may say; a module of either kind. Options that may be undefined are passed on
 * as they are.
 */
const consumer = `
import { nn, optim, schedules, losses, data, Trainer, type FitOptions, type TrainerOptions } from 'tenon';
import * as tenon from 'tenon';

export function stack<const Layers extends readonly nn.Module[]>(...layers: Layers) {
  return nn.sequential(...layers);
}
export const model: nn.Sequential<1, 10> = stack(nn.conv2d(1, 8, { kernel: 3 }), nn.relu(), nn.linear(8, 10));

export interface Settings {
  readonly seed?: number;
  readonly schedule?: TrainerOptions['schedule'];
  readonly signal?: AbortSignal;
}
export async function train(settings: Settings, stride: number | undefined): Promise<void> {
  const net = nn.sequential(nn.conv2d(1, 8, { kernel: 3, stride }), nn.globalAvgPool2d(), nn.flatten());
  const trainer = new Trainer(net, {
    loss: losses.crossEntropy({ labelSmoothing: undefined }),
    optimizer: optim.sgd({ lr: 0.1, momentum: undefined }),
    schedule: settings.schedule ?? schedules.cosine(),
    seed: settings.seed,
  });
  const options: FitOptions = { epochs: 1, signal: settings.signal, validation: undefined };
  await trainer.fit(await data.fromFeatures({ inputs: [1], shape: [1, 1, 1], targets: [0] }), options);
  net.preprocessing = undefined;
  net.classNames = undefined;
  throw new tenon.DataError('done');
}
`;

const strict: ts.CompilerOptions = {
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  noPropertyAccessFromIndexSignature: true,
  noImplicitOverride: true,
  noImplicitReturns: true,
  noFallthroughCasesInSwitch: true,
  noUnusedLocals: true,
  noUnusedParameters: true,
  noUncheckedSideEffectImports: true,
  erasableSyntaxOnly: true,
  isolatedModules: true,
  skipLibCheck: false,
  forceConsistentCasingInFileNames: true,
  target: ts.ScriptTarget.ES2022,
  noEmit: true,
};

const nodenext = { module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext };
const bundler = { module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler };
const node = { lib: ['lib.es2023.d.ts'], types: ['node'], typeRoots: [join(root, 'node_modules', '@types')] };
/** Without @types/node, AbortSignal is that of lib.dom. */
const dom = { lib: ['lib.es2023.d.ts', 'lib.dom.d.ts'], types: [] };

function errors(files: readonly string[], options: ts.CompilerOptions): string[] {
  const program = ts.createProgram(files, { ...strict, ...options });
  return ts.getPreEmitDiagnostics(program).map(({ file, start, messageText }) => {
    const line = file && start !== undefined ? file.getLineAndCharacterOfPosition(start).line + 1 : 0;
    return `${file?.fileName}:${line}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`;
  });
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tenon-types-'));
  const installed = join(folder, 'node_modules', 'tenon');
  mkdirSync(installed, { recursive: true });
  copyFileSync(join(root, 'package.json'), join(installed, 'package.json'));
  symlinkSync(join(root, 'node_modules'), join(installed, 'node_modules')); // what tenon depends on
  if (existsSync(built)) cpSync(built, join(installed, 'dist'), { recursive: true });
  for (const name of ['program.mts', 'program.cts', 'program.ts'])
    writeFileSync(join(folder, name), consumer);
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

testBuilt(
  'a strict program compiles: a module for a bundler',
  () => {
    const options = { ...bundler, ...node, verbatimModuleSyntax: true };
    expect(errors([join(folder, 'program.ts')], options)).toEqual([]);
  },
  300_000,
);

testBuilt(
  'a strict program compiles without @types/node and packages that tenon can do without',
  () => {
    const alone = mkdtempSync(join(tmpdir(), 'tenon-types-'));
    try {
      const installed = join('node_modules', 'tenon');
      cpSync(join(folder, installed, 'dist'), join(alone, installed, 'dist'), { recursive: true });
      copyFileSync(join(root, 'package.json'), join(alone, installed, 'package.json'));
      writeFileSync(join(alone, 'program.mts'), consumer);
      expect(
        errors([join(alone, 'program.mts')], { ...nodenext, ...dom, verbatimModuleSyntax: true }),
      ).toEqual([]);
    } finally {
      rmSync(alone, { recursive: true, force: true });
    }
  },
  300_000,
);

// One program of all: most of the time goes into what they share.
testBuilt(
  'modules of both kinds for Node compile, and every declaration, also what nothing public mentions',
  () => {
    const dist = join(folder, 'node_modules', 'tenon', 'dist');
    const declarations = ts.sys.readDirectory(dist, ['.d.ts', '.d.mts']);
    expect(declarations.length).toBeGreaterThan(100);
    const files = [join(folder, 'program.mts'), join(folder, 'program.cts'), ...declarations];
    expect(errors(files, { ...nodenext, ...node })).toEqual([]);
  },
  300_000,
);

/** A program that imports tenon, in an editor: its text may change. */
let edited = '';
let version = 0;
let service: ts.LanguageService | undefined;

function editor(name: string): ts.LanguageService {
  return ts.createLanguageService({
    getScriptFileNames: () => [name],
    getScriptVersion: (file) => String(file === name ? version : 0),
    getScriptSnapshot: (file) => {
      const content = file === name ? edited : ts.sys.readFile(file);
      return content === undefined ? undefined : ts.ScriptSnapshot.fromString(content);
    },
    getCurrentDirectory: () => folder,
    getCompilationSettings: () => ({ ...strict, ...nodenext, ...node }),
    getDefaultLibFileName: (options) => ts.getDefaultLibFilePath(options),
    fileExists: (file) => file === name || ts.sys.fileExists(file),
    readFile: (file) => ts.sys.readFile(file),
    directoryExists: (directory) => ts.sys.directoryExists(directory),
    realpath: (path) => ts.sys.realpath?.(path) ?? path,
  });
}

/** What an editor shows of the property or method that follows `^` in `code`. */
function shown(code: string): { type: string; documentation: string } {
  const name = join(folder, 'edited.cts');
  edited = code.replace('^', '');
  version++;
  service ??= editor(name);
  const info = service.getQuickInfoAtPosition(name, code.indexOf('^'));
  return {
    type: ts.displayPartsToString(info?.displayParts),
    documentation: ts.displayPartsToString(info?.documentation),
  };
}

const ofBetas = 'Decay of the running averages of g and g^2, each in [0, 1). Default [0.9, 0.999].';

testBuilt.each([
  [
    'an augmentation',
    'augment.flip({ ^p: 0.1 })',
    'Probability of mirroring an image. From 0 to 1. Default 0.5.',
    'p?: number',
  ],
  ['an optimizer', 'optim.adam({ ^betas: [0.5, 0.9] })', ofBetas, 'betas?: readonly [number, number]'],
  ['a rate that must be given', 'optim.sgd({ ^lr: 0.1 })', 'Learning rate. At least 0.', 'lr: number'],
  [
    'a constant that several share',
    'optim.sgd({ lr: 1, ^decoupled: true })',
    'Decay shrinks weights by 1 - lr weightDecay instead of being added to the gradient (Loshchilov & Hutter 2019). Default false.',
    'decoupled?: boolean',
  ],
  [
    'a group',
    "optim.adam({ groups: [{ match: 'a', ^betas: [0.5, 0.9] }] })",
    ofBetas,
    'betas?: readonly [number, number]',
  ],
  [
    'a kind with bounds of its own',
    'augment.cutout(8, { ^holes: 2 })',
    'How many squares are cut out. A whole number from 1 to 1024. Default 1.',
    'holes?: number',
  ],
  ['a field', 'optim.adam().^betas', ofBetas, 'betas: [number, number]'],
])(
  'an editor shows what a setting of %s is, its range and default',
  (_, call, documentation, type) => {
    const info = shown(`import { augment, optim } from 'tenon';\nexport const made = ${call};\n`);
    expect(info.documentation).toBe(documentation);
    expect(info.type).toContain(type);
  },
  300_000,
);
