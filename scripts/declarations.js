'use strict';

// What scripts/build-ts.js does to the declarations (.d.ts) that TypeScript makes of lib/.

const { settingDocumentation } = require('./setting-documentation.js');

/** @returns a factory for `afterDeclarations` of `program.emit` */
function declarations(ts, program) {
  return (context) => (file) =>
    documentSettings(ts, context, program, optionalMayBeUndefined(ts, context, file));
}

/**
 * lib/ is compiled without exactOptionalPropertyTypes: to it `x?: T` is T or undefined. The declarations say
 * so, for callers who compile with it.
 */
function optionalMayBeUndefined(ts, context, file) {
  const { factory } = context;
  const withUndefined = (type) =>
    factory.createUnionTypeNode([type, factory.createKeywordTypeNode(ts.SyntaxKind.UndefinedKeyword)]);
  const visit = (node) => {
    const visited = ts.visitEachChild(node, visit, context);
    if (!visited.questionToken || !visited.type) return visited;
    const { modifiers, name, questionToken, type } = visited;
    if (ts.isPropertySignature(visited))
      return factory.updatePropertySignature(visited, modifiers, name, questionToken, withUndefined(type));
    if (ts.isPropertyDeclaration(visited))
      return factory.updatePropertyDeclaration(visited, modifiers, name, questionToken, withUndefined(type));
    return visited;
  };
  return ts.visitEachChild(file, visit, context);
}

/**
 * Settings (lib/settings) have their documentation as a text. Here it becomes a comment on the member of the
 * declared type, because that is where an editor looks for it: `{ eps: Setting<number> }` is
 * `{ /** Added to the root. At least 0. Default 1e-8. * / eps: Setting<number> }`.
 */
function documentSettings(ts, context, program, file) {
  const checker = program.getTypeChecker();
  const documentMember = (type, member) => {
    if (!ts.isPropertySignature(member) || !nameIs(ts, member.type, 'Setting')) return;
    const symbol = checker.getPropertyOfType(type, member.name.text);
    const text = symbol?.valueDeclaration && settingDocumentation(ts, checker, symbol.valueDeclaration);
    if (text === undefined)
      throw new Error(
        `${file.fileName}: the setting ${member.name.text} has no documentation that can be read`,
      );
    const comment = `* ${text.replaceAll('*/', '* /')} `;
    ts.addSyntheticLeadingComment(member, ts.SyntaxKind.MultiLineCommentTrivia, comment, true);
    documentAll(checker.getTypeOfSymbol(symbol), member.type);
  };
  /** `node` is how `type` is written. */
  const documentAll = (type, node) => {
    if (ts.isTypeLiteralNode(node)) for (const member of node.members) documentMember(type, member);
    const args = node.typeArguments ?? (ts.isArrayTypeNode(node) ? [node.elementType] : []);
    const types = nameIs(ts, node, type.aliasSymbol?.name)
      ? type.aliasTypeArguments
      : checker.getTypeArguments(type);
    if (ts.isTypeOperatorNode(node)) documentAll(type, node.type);
    else args.forEach((arg, i) => types?.[i] && documentAll(types[i], arg));
  };
  const visit = (node) => {
    const source = ts.isVariableDeclaration(node) && node.type && sourceOf(ts, node, file);
    if (source) documentAll(checker.getTypeAtLocation(source), node.type);
    return ts.visitEachChild(node, visit, context);
  };
  return ts.visitEachChild(file, visit, context);
}

/** What a declared constant is in lib/: the constant, or for `Adam_base` what the class Adam extends. */
function sourceOf(ts, declaration, file) {
  const original = ts.getOriginalNode(declaration);
  if (original !== declaration) return original;
  const extended = ts
    .getOriginalNode(file)
    .statements.find(
      (one) => ts.isClassDeclaration(one) && `${one.name?.text}_base` === declaration.name.text,
    );
  return extended?.heritageClauses?.[0]?.types[0]?.expression;
}

/** Whether a type is written `Name<...>` or `import('../settings').Name<...>`. */
function nameIs(ts, node, name) {
  if (name === undefined || !node?.typeArguments) return false;
  const entity = ts.isTypeReferenceNode(node)
    ? node.typeName
    : ts.isImportTypeNode(node)
      ? node.qualifier
      : undefined;
  return entity !== undefined && (entity.right ?? entity).text === name;
}

module.exports = { declarations };
