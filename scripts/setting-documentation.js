'use strict';

// What an editor, and the reference, say about a setting:
// `lr: nonNegative('Learning rate.', { default: 0.1 })` is "Learning rate. At least 0. Default 0.1." All of
// it stands in the declaration and in that of its kind.

/**
 * The sentence of a setting, its range and its default.
 * @param declaration a member of what `declareSettings` takes
 * @returns undefined for what is not a setting
 */
function settingDocumentation(ts, checker, declaration) {
  const call = callOf(ts, checker, declaration);
  if (call === undefined) return undefined;
  const [text, options] = call.arguments;
  if (!text || !ts.isStringLiteralLike(text)) return undefined;
  const property = options?.properties?.find((one) => one.name?.text === 'default');
  const range = rangeOf(text.text, domainOf(ts, checker, call.expression, new Map()));
  const usual = property ? `Default ${property.initializer.getText()}.` : '';
  return [text.text, range, usual].filter((part) => part !== '').join(' ');
}

/**
 * The call itself, or that of the constant or the member that is named:
 * `decoupled`, `betas: adamNumbers.betas`.
 */
function callOf(ts, checker, declaration) {
  const value = declaration.initializer;
  if (value && ts.isCallExpression(value)) return value;
  const named = ts.isShorthandPropertyAssignment(declaration)
    ? checker.getShorthandAssignmentValueSymbol(declaration)
    : value && checker.getSymbolAtLocation(value);
  const symbol = named && meant(ts, checker, named);
  return symbol?.valueDeclaration && callOf(ts, checker, symbol.valueDeclaration);
}

function meant(ts, checker, symbol) {
  return symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
}

/**
 * The domain of a kind of setting: of `nonNegative`, `integer({ minimum: 1, maximum: 8 })`. A kind is
 * `kind({ check, domain })`, or a function that returns one.
 * @param known what the parameters of that function are
 * @returns undefined where more than literals and names of constants make it
 */
function domainOf(ts, checker, kind, known) {
  if (ts.isIdentifier(kind)) {
    const { initializer } = declarationOf(ts, checker, kind) ?? {};
    return initializer && domainOf(ts, checker, initializer, known);
  }
  if (!ts.isCallExpression(kind)) return undefined;
  if (kind.expression.getText() === 'kind') return valueOf(ts, checker, kind.arguments[0], known)?.domain;
  const made = declarationOf(ts, checker, kind.expression);
  const result = made?.body?.statements?.find((one) => ts.isReturnStatement(one))?.expression;
  if (!result) return undefined;
  const given = made.parameters.map((parameter, i) => [
    parameter.name.getText(),
    kind.arguments[i] && valueOf(ts, checker, kind.arguments[i], known),
  ]);
  return domainOf(ts, checker, result, new Map(given));
}

function declarationOf(ts, checker, name) {
  const symbol = checker.getSymbolAtLocation(name);
  return symbol && meant(ts, checker, symbol).valueDeclaration;
}

/** The value of an expression of literals and names of constants; undefined for any other. */
function valueOf(ts, checker, node, known) {
  if (ts.isAsExpression(node)) return valueOf(ts, checker, node.expression, known);
  if (ts.isStringLiteralLike(node)) return node.text;
  if (ts.isNumericLiteral(node)) return Number(node.text);
  if (ts.isPrefixUnaryExpression(node) && node.operator === ts.SyntaxKind.MinusToken)
    return -valueOf(ts, checker, node.operand, known);
  if (ts.isIdentifier(node)) {
    if (known.has(node.text)) return known.get(node.text);
    const { initializer } = declarationOf(ts, checker, node) ?? {};
    return initializer && valueOf(ts, checker, initializer, known);
  }
  if (!ts.isObjectLiteralExpression(node)) return undefined;
  const members = node.properties.flatMap((one) => {
    if (ts.isSpreadAssignment(one)) return Object.entries(valueOf(ts, checker, one.expression, known) ?? {});
    if (ts.isShorthandPropertyAssignment(one)) return [[one.name.text, known.get(one.name.text)]];
    return ts.isPropertyAssignment(one)
      ? [[one.name.text, valueOf(ts, checker, one.initializer, known)]]
      : [];
  });
  return Object.fromEntries(members);
}

/**
 * `At least 0.`, `A whole number from 1 to 8.`; nothing where the sentence says it, or there are no bounds.
 */
function rangeOf(text, domain) {
  const limits = limitsOf(domain);
  if (limits === '' || text.includes(limits)) return '';
  const sentence = domain.type === 'integer' ? `A whole number ${limits.replace(/^at/, 'of at')}` : limits;
  return `${sentence[0].toUpperCase()}${sentence.slice(1)}.`;
}

function limitsOf({ type, minimum, exclusiveMinimum, maximum, exclusiveMaximum } = {}) {
  if (type !== 'number' && type !== 'integer') return '';
  const most = maximum ?? exclusiveMaximum;
  const to = maximum === undefined && most !== undefined ? `below ${most}` : `${most}`;
  if (most === undefined && minimum !== undefined) return `at least ${minimum}`;
  if (most === undefined) return exclusiveMinimum === undefined ? '' : `above ${exclusiveMinimum}`;
  if (minimum !== undefined) return `from ${minimum} to ${to}`;
  return exclusiveMinimum === undefined ? `at most ${to}` : `above ${exclusiveMinimum}, at most ${to}`;
}

module.exports = { settingDocumentation };
