'use strict';

// What scripts/build-ts.js does to the declarations (.d.ts) that TypeScript makes of lib/.

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
 * `{ /** Added to the root. Default 1e-8. * / eps: Setting<number> }`.
 */
function documentSettings(ts, context, program, file) {
  const checker = program.getTypeChecker();
  const documentMember = (member, declared) => {
    if (!ts.isPropertySignature(member) || !isSetting(ts, member.type)) return;
    const symbol = declared && checker.getPropertyOfType(declared, member.name.text);
    const text = symbol?.valueDeclaration && documentation(ts, symbol.valueDeclaration);
    if (text === undefined)
      throw new Error(
        `${file.fileName}: the setting ${member.name.text} has no documentation that can be read`,
      );
    ts.addSyntheticLeadingComment(member, ts.SyntaxKind.MultiLineCommentTrivia, `* ${text} `, true);
  };
  const documentAll = (type, node) => {
    if (ts.isTypeLiteralNode(node)) for (const member of node.members) documentMember(member, type);
    else if (isNamed(ts, node, 'Settings')) documentAll(declaredOf(checker, type), node.typeArguments[0]);
  };
  const visit = (node) => {
    if (ts.isVariableDeclaration(node) && node.type) {
      const source = ts.getOriginalNode(node);
      documentAll(checker.getTypeAtLocation(source), node.type);
    }
    return ts.visitEachChild(node, visit, context);
  };
  return ts.visitEachChild(file, visit, context);
}

function declaredOf(checker, type) {
  const symbol = checker.getPropertyOfType(type, 'declared');
  return symbol && checker.getTypeOfSymbol(symbol);
}

/** `Setting<...>` or `import('../settings').Setting<...>`. */
function isSetting(ts, node) {
  return isNamed(ts, node, 'Setting');
}

function isNamed(ts, node, name) {
  if (node === undefined || !node.typeArguments) return false;
  const entity = ts.isTypeReferenceNode(node)
    ? node.typeName
    : ts.isImportTypeNode(node)
      ? node.qualifier
      : undefined;
  return entity !== undefined && (entity.right ?? entity).text === name;
}

/**
 * The first argument of the call that makes a setting, with its default:
 * `lr: nonNegative('Learning rate.', { default: 0.1 })`.
 */
function documentation(ts, declaration) {
  const call = declaration.initializer;
  if (!call || !ts.isCallExpression(call)) return undefined;
  const [text, options] = call.arguments;
  if (!text || !ts.isStringLiteralLike(text)) return undefined;
  const property = options?.properties?.find((one) => one.name?.text === 'default');
  const end = property ? ` Default ${property.initializer.getText()}.` : '';
  return `${text.text}${end}`.replaceAll('*/', '* /');
}

module.exports = { declarations };
