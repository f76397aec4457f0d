/**
 * A plugin of TypeDoc: what tenon computes types for, it shows as a reader would write it. A maker becomes a
 * function with named arguments; options say what they are, their range and their default.
 */
import { createRequire } from 'node:module';
import * as td from 'typedoc';
import ts from 'typescript';
import { publicSymbols } from './program.mjs';

const { settingDocumentation } = createRequire(import.meta.url)('../setting-documentation.js');

const { Comment, Converter, ReflectionKind } = td;

/** What layers, optimizers and their makers carry for tenon itself: for files, checks and the compiler. */
const MACHINERY = new Set([
  ...['settings', 'args', 'aside', 'kind', 'preset', 'rule', 'runtimeFields', 'channels', 'derivedScalars'],
  ...['scalar', 'admit', 'adopt', 'source', 'origin', 'tree'],
]);

/** Listens to the conversion of a program. */
export function makeReadable(app, { program, sourceFile }) {
  const checker = program.getTypeChecker();
  showReadonlyTuples(checker);
  const symbols = publicSymbols(checker, sourceFile);
  const names = optionNames(checker, symbols);
  app.converter.on(Converter.EVENT_BEGIN, (context) => inlineOtherAliases(context, symbols));
  app.converter.on(Converter.EVENT_CREATE_DECLARATION, (context, reflection) => {
    describeSetting(checker, context, reflection);
    if (reflection.kindOf(ReflectionKind.Namespace)) describeNamespace(context, reflection);
    reflection.comment?.removeModifier('@function');
  });
  app.converter.on(Converter.EVENT_CREATE_SIGNATURE, (context, reflection, _, signature) => {
    const maker = makerOf(context);
    if (maker) adoptComment(context.scope, reflection);
    nameParameters({
      checker,
      names,
      context,
      reflection,
      signature,
      known: maker && argumentsOf(checker, maker),
    });
  });
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
    removeMachinery(project);
    inheritFromModule(project);
    nameWhatMakes(project);
  });
}

/**
 * TypeDoc shows a tuple that it inlines by the node of its type, but takes
 * `readonly [low: number, high: number]` for an object with all methods of arrays. It gets the
 * node without `readonly`.
 */
function showReadonlyTuples(checker) {
  const usual = checker.typeToTypeNode;
  checker.typeToTypeNode = (type, ...rest) => {
    const node = usual(type, ...rest);
    const generic = checker.isTupleType(type) && type.target === type;
    return generic && node && ts.isTypeOperatorNode(node) ? node.type : node;
  };
}

const summary = (text) => new Comment([{ kind: 'text', text }]);

const isMember = (node) => ts.isPropertyAssignment(node) || ts.isShorthandPropertyAssignment(node);

/**
 * Names of unions and tuples that nothing public names are shown by what they are: `stride?: number |
 * readonly [number, number]`.
 */
function inlineOtherAliases(context, symbols) {
  const prototype = Object.getPrototypeOf(context);
  const usual = prototype.shouldInline;
  prototype.shouldInline = function shouldInline(written, name) {
    // What a file imports is named by the import.
    const symbol = this.resolveAliasedSymbol(written);
    const [declaration] = symbol.declarations ?? [];
    const alias = declaration && ts.isTypeAliasDeclaration(declaration) && !declaration.typeParameters;
    const ours = alias && !declaration.getSourceFile().fileName.includes('node_modules');
    if (ours && !symbols.has(symbol) && !this.preventInline.has(name)) return true;
    return usual.call(this, symbol, name);
  };
}

/** The sentence of a setting, at a property of options or at a field. */
function describeSetting(checker, context, reflection) {
  if (!reflection.kindOf(ReflectionKind.Property)) return;
  const declaration = context.getSymbolFromReflection(reflection)?.declarations?.[0];
  if (!declaration || !isMember(declaration)) return;
  const text = settingDocumentation(ts, checker, declaration);
  if (text === undefined) return;
  // Instead of the comment of a constant that declares it.
  reflection.comment = summary(text);
  // The default is in the text; TypeDoc would show the call that declares the setting.
  delete reflection.defaultValue;
  // All options are.
  reflection.setFlag(td.ReflectionFlag.Readonly, false);
}

/** The call `maker(...)` that a function being converted is made by. */
function makerOf(context) {
  const declaration = context.getSymbolFromReflection(context.scope)?.valueDeclaration;
  const made = declaration && ts.isVariableDeclaration(declaration) ? declaration.initializer : undefined;
  return made && ts.isCallExpression(made) ? made : undefined;
}

/** What the maker says goes for the function; the type of makers says only what none says. */
function adoptComment(owner, signature) {
  if (!owner.comment) return;
  const throws = owner.comment.getTag('@throws') === undefined && signature.comment?.getTag('@throws');
  if (throws) owner.comment.blockTags.push(throws);
  delete signature.comment;
}

/** Documentation of the arguments before the options, by name: those of a class, or of the first settings. */
function argumentsOf(checker, call) {
  const [layer] = call.arguments;
  const made = layer && ts.isIdentifier(layer) ? declarationOf(checker, layer) : undefined;
  const types = call.arguments.map((argument) => checker.getTypeAtLocation(argument));
  const settings = types.find((type) => type.symbol?.name === 'Settings');
  const declared =
    made && ts.isClassDeclaration(made)
      ? argumentsOfClass(checker, made)
      : settings && checker.getTypeArguments(settings)[0];
  return new Map(
    (declared?.getProperties() ?? []).map(({ name, declarations: [declaration] = [] }) => [
      name,
      declaration && settingDocumentation(ts, checker, declaration),
    ]),
  );
}

/** The first argument of what a class extends, `withArguments(args, ...)`, which is an object of them. */
function argumentsOfClass(checker, layer) {
  const extended = layer.heritageClauses?.find(({ token }) => token === ts.SyntaxKind.ExtendsKeyword);
  const base = extended?.types[0].expression;
  const above = base && ts.isIdentifier(base) ? declarationOf(checker, base) : undefined;
  if (above && ts.isClassDeclaration(above)) return argumentsOfClass(checker, above);
  const given = base && checker.getTypeAtLocation(base).getConstructSignatures()[0]?.parameters[0];
  const type = given && checker.getTypeOfSymbol(given);
  return type && checker.isTupleType(type) ? checker.getTypeArguments(type)[0] : type;
}

/** What a name stands for, also where it is imported. */
function declarationOf(checker, name) {
  const symbol = checker.getSymbolAtLocation(name);
  return (symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol).valueDeclaration;
}

/** `(...given: [size: Sides, options?: CutoutOptions])` becomes `(size: Sides, options?: CutoutOptions)`. */
function nameParameters({ checker, names, context, reflection, signature, known }) {
  const last = signature?.parameters.at(-1);
  const tuple = last && checker.getTypeOfSymbol(last);
  if (tuple && last.valueDeclaration?.dotDotDotToken && checker.isTupleType(tuple)) {
    const inner = context.withScope(reflection);
    const { labeledElementDeclarations: labels = [], elementFlags } = tuple.target;
    const elements = checker.getTypeArguments(tuple).map((type, i) => {
      const name = labels[i]?.name.getText() ?? [...(known?.keys() ?? [])][i] ?? `argument${i}`;
      const optional = (elementFlags[i] & ts.ElementFlags.Optional) !== 0;
      return parameterOf({
        checker,
        names,
        inner,
        reflection,
        name,
        type,
        optional,
      });
    });
    reflection.parameters.splice(-1, 1, ...elements);
  }
  for (const parameter of reflection.parameters ?? []) {
    const symbol = signature?.parameters.find(({ name }) => name === parameter.name);
    const named = symbol && names.get(keyOf(checker.getNonNullableType(checker.getTypeOfSymbol(symbol))));
    if (named) parameter.type = referenceTo(named, context);
    const text = known?.get(parameter.name);
    if (text) parameter.comment ??= summary(text);
  }
}

function parameterOf({ checker, names, inner, reflection, name, type, optional }) {
  const parameter = new td.ParameterReflection(name, ReflectionKind.Parameter, reflection);
  inner.registerReflection(parameter, undefined);
  parameter.setFlag(td.ReflectionFlag.Optional, optional);
  const bare = optional ? checker.getNonNullableType(type) : type;
  const named = names.get(keyOf(bare));
  parameter.type = named
    ? referenceTo(named, inner)
    : inner.converter.convertType(inner.withScope(parameter), bare);
  return parameter;
}

function referenceTo(symbol, context) {
  const { name } = symbol;
  const id = context.createSymbolId(symbol);
  return td.ReferenceType.createUnresolvedReference(name, id, context.project, name);
}

/** Public names of options, by the settings that they are made of. */
function optionNames(checker, symbols) {
  const aliases = [...symbols].filter((symbol) => symbol.flags & ts.SymbolFlags.TypeAlias);
  const entries = aliases.map((symbol) => [keyOf(checker.getDeclaredTypeOfSymbol(symbol)), symbol]);
  return new Map(entries.filter(([key]) => key !== '').reverse());
}

/** Where the settings of options are declared; empty where something else makes the properties. */
function keyOf(type) {
  const declarations = type.getProperties().map(({ declarations: [first] = [] }) => first);
  if (!declarations.every((one) => one && isMember(one))) return '';
  return declarations
    .map((one) => `${one.getSourceFile().fileName}:${one.pos}`)
    .sort()
    .join();
}

function removeMachinery(project) {
  const { Accessor, Method, Property } = ReflectionKind;
  const members = project.getReflectionsByKind(Accessor | Method | Property);
  for (const member of members) {
    const owner = member.parent;
    if (!MACHINERY.has(member.name) || owner?.kindOf(ReflectionKind.Interface)) continue;
    if (owner?.kindOf(ReflectionKind.Class | ReflectionKind.Function)) project.removeReflection(member);
  }
}

/** A namespace is a module, which begins with a comment. */
function describeNamespace(context, reflection) {
  const source = context.getSymbolFromReflection(reflection)?.declarations?.[0];
  if (!source || !ts.isSourceFile(source)) return;
  const [range] = ts.getLeadingCommentRanges(source.text, 0) ?? [];
  if (range === undefined) return;
  const lines = source.text.slice(range.pos + 3, range.end - 2).replaceAll(/\n \* ?/g, '\n');
  reflection.comment ??= summary(lines.trim().replace(/@module$/, ''));
}

/** Layers whose base is computed: their `forward` and the like are those of a module. */
function inheritFromModule(project) {
  const base = project.getReflectionsByKind(ReflectionKind.Class).find(({ name }) => name === 'Module');
  for (const method of project.getReflectionsByKind(ReflectionKind.Method)) {
    const general = base.getChildByName(method.name)?.signatures?.[0]?.comment;
    if (!general || !method.parent.kindOf(ReflectionKind.Class)) continue;
    for (const signature of method.signatures ?? []) signature.comment ??= general.clone();
  }
}

/** Options and classes without a comment say which functions take and make them. */
function nameWhatMakes(project) {
  const described = new Map();
  const note = (type, words, maker) => {
    const target = type?.type === 'reference' ? type.reflection : undefined;
    if (!target?.kindOf?.(ReflectionKind.Class | ReflectionKind.Interface)) return;
    if (target.comment?.hasVisibleComponent() && !described.has(target)) return;
    const words_ = described.get(target) ?? { words, makers: new Set() };
    words_.makers.add(maker);
    described.set(target, words_);
  };
  for (const maker of project.getReflectionsByKind(ReflectionKind.Function))
    for (const { parameters = [], type } of maker.signatures ?? []) {
      note(type, 'Made by ', maker);
      for (const parameter of parameters) note(parameter.type, 'Options of ', maker);
    }
  for (const [target, { words, makers }] of described) {
    target.comment ??= new Comment();
    target.comment.summary = [{ kind: 'text', text: words }, ...listOf([...makers])];
  }
}

function listOf(makers) {
  return makers.flatMap((target, i) => [
    {
      kind: 'inline-tag',
      tag: '@link',
      text: target.getFriendlyFullName(),
      target,
    },
    {
      kind: 'text',
      text: i === makers.length - 1 ? '.' : i === makers.length - 2 ? ' and ' : ', ',
    },
  ]);
}
