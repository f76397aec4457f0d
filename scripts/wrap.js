'use strict';

// Wraps prose where the code is wrapped: comments of TypeScript, JavaScript and C++, and
// paragraphs of markdown.
//   node scripts/wrap.js [--fix]      without --fix: names what is too wide, or ends in a line of one word
// Prettier leaves comments as they are, and its proseWrap would pad the tables of markdown to
// their widest cell.

const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const ts = require('typescript');
const { root, script } = require('./tools.js');

const WIDTH = 110;
/** Records of a day, and entries that stay as they were written. */
const AS_WRITTEN = /^docs\/results\/.*\d{4}-|^CHANGELOG\.md$|^test\/fixtures\//;

/** Words, where `a code span` and [a link](of markdown) count as one. */
const WORD = /(?:`[^`]{1,80}`|\{@link [^}]*\}|\[[^\]]*\]\([^)]*\)|\S)+/g;

/** What would mean something else at the beginning of a line: an item, a tag, a heading, a table. */
const MARK = /^(?:[-*+|#=>].*|\d+\.|@\w.*)$/;

/** The words of a text, each with the marks that stay on its line. */
function wordsOf(text) {
  return (text.match(WORD) ?? []).reduce((words, word) => {
    if (words.length > 0 && MARK.test(word)) words[words.length - 1] += ` ${word}`;
    else words.push(word);
    return words;
  }, []);
}

function fill(words, width, first, rest) {
  const lines = [];
  let line = first + words[0];
  for (const word of words.slice(1)) {
    if (line.length + 1 + word.length > width) {
      lines.push(line);
      line = rest + word;
    } else line += ` ${word}`;
  }
  return [...lines, line];
}

/**
 * Whether lines of one paragraph are too wide, though they can be cut, or leave one word for the last line.
 */
function isBadlyWrapped(lines, indent) {
  const words = lines.map((line) => line.slice(indent).match(WORD) ?? []);
  if (lines.some((line, i) => line.length > WIDTH && words[i].length > 1)) return true;
  return lines.length > 1 && words.at(-1).length === 1 && lines.at(-1).trim().length < WIDTH / 3;
}

/** A paragraph behind `first` and `rest`. Lines that are well wrapped stay as they are. */
function wrap(lines, first, rest) {
  const texts = lines.map((line) => line.trim());
  const asWritten = texts.map((text, i) => (i === 0 ? first : rest) + text);
  if (!isBadlyWrapped(asWritten, first.length)) return asWritten;
  const words = wordsOf(texts.join(' '));
  const widest = fill(words, WIDTH, first, rest);
  if (widest.length === 1) return widest;
  // A narrower fill brings more words to the last line.
  const fills = Array.from({ length: WIDTH / 3 }, (_, less) => fill(words, WIDTH - less, first, rest));
  const lastWords = (filled) => filled.at(-1).trim().split(' ').length;
  return (
    fills.find((filled) => filled.length === widest.length && lastWords(filled) > 3) ??
    fills.find((filled) => !isBadlyWrapped(filled, first.length)) ??
    widest
  );
}

/** Where a tag follows a sentence on its line. */
const BEFORE_TAG = /(?<=[.)`]) (?=@(?:throws|returns|param)\b)/;
const ITEM = /^\s*(?:[-*]|\d+\.)\s+/;
const TAG = /^@\w/;

/** The lines of a comment or page without its marks, wrapped; `prefix` is what stands before each line. */
function wrapLines(lines, prefix, isVerbatim) {
  const wrapped = [];
  let paragraph = [];
  const end = () => {
    if (paragraph.length === 0) return;
    const mark = ITEM.exec(paragraph[0])?.[0] ?? /^\s*/.exec(paragraph[0])[0];
    const hang = TAG.test(paragraph[0]) ? '  ' : ' '.repeat(mark.length);
    wrapped.push(
      ...wrap([paragraph[0].slice(mark.length), ...paragraph.slice(1)], prefix + mark, prefix + hang),
    );
    paragraph = [];
  };
  for (const line of lines) {
    const isStart = ITEM.test(line) || TAG.test(line);
    const isContinued = paragraph.length > 0 && !isStart;
    if (line.trim() === '' || isVerbatim(line, isContinued)) {
      end();
      wrapped.push((prefix + line).trimEnd());
    } else {
      if (isStart) end();
      paragraph.push(line);
    }
  }
  end();
  return wrapped;
}

/** Lines that are indented or laid out are not prose; those below an item or a tag are, and are indented. */
function isLaidOut(line, isContinued) {
  return (/^\s{2,}/.test(line) && !isContinued) || /\S\s{3,}\S/.test(line) || /^[|#=]/.test(line);
}

const DIRECTIVE = /^(?:eslint|prettier|@ts-|clang-format|NOLINT|#)/;

function wrapLineComments(text) {
  const indent = /^\s*/.exec(text)[0];
  const lines = text.split('\n').map((line) => line.trim().slice(2).replace(/^ /, ''));
  const isVerbatim = (line, isContinued) => isLaidOut(line, isContinued) || DIRECTIVE.test(line);
  return wrapLines(lines, `${indent}// `, isVerbatim)
    .map((line) => line.replace(/\/\/ $/, '//'))
    .join('\n');
}

function wrapBlockComment(text, indent) {
  const mark = text.startsWith('/**') ? '/**' : '/*';
  const lines = text
    .slice(mark.length, -2)
    .split('\n')
    .map((line, i) => (i === 0 ? line.trim() : line.replace(/^\s*\* ?/, '').trimEnd()));
  const isOneLine = lines.length === 1;
  if (isOneLine && indent.length + text.length <= WIDTH) return text;
  if (isOneLine) lines.splice(0, 1, ...lines[0].split(BEFORE_TAG));
  if (lines[0] === '') lines.shift();
  if (lines.at(-1)?.trim() === '') lines.pop();
  const wrapped = wrapLines(lines, `${indent} * `, isLaidOut).map((line) => line.replace(/^(\s*\*) $/, '$1'));
  return [mark, ...wrapped, `${indent} */`].join('\n');
}

/**
 * Where comments are: [begin, end] of those that have their lines to themselves, groups of line
 * comments as one.
 */
function commentsOf(text, file) {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  const found = new Map();
  const visit = (node) => {
    for (const range of ts.getLeadingCommentRanges(text, node.getFullStart()) ?? [])
      found.set(range.pos, range);
    node.getChildren(source).forEach(visit);
  };
  visit(source);
  return [...found.values()]
    .sort((a, b) => a.pos - b.pos)
    .map(({ pos, end, kind }) => ({ begin: text.lastIndexOf('\n', pos - 1) + 1, pos, end, kind }))
    .filter(({ begin, pos }) => text.slice(begin, pos).trim() === '');
}

function wrapScript(text, file) {
  let wrapped = '';
  let at = 0;
  const comments = commentsOf(text, file);
  for (let i = 0; i < comments.length; i++) {
    const { begin, pos, kind } = comments[i];
    let { end } = comments[i];
    const isLine = kind === ts.SyntaxKind.SingleLineCommentTrivia;
    const indent = text.slice(begin, pos);
    while (isLine && comments[i + 1]?.kind === kind && text.slice(end, comments[i + 1].pos) === `\n${indent}`)
      end = comments[++i].end;
    wrapped += text.slice(at, isLine ? begin : pos);
    wrapped += isLine
      ? wrapLineComments(text.slice(begin, end))
      : wrapBlockComment(text.slice(pos, end), indent);
    at = end;
  }
  return wrapped + text.slice(at);
}

const wrapCpp = (text) => text.replaceAll(/^([ \t]*)\/\/.*(?:\n\1\/\/.*)*/gm, wrapLineComments);

/** Tables, headings, pictures and HTML stay as they are, and so does everything between fences. */
function wrapMarkdown(text) {
  return text
    .split(/(^ *```[\s\S]*?^ *```$)/m)
    .map((part, i) =>
      i % 2 === 1
        ? part
        : wrapLines(part.split('\n'), '', (line) => /^\s*(?:\||#|<|!\[)/.test(line)).join('\n'),
    )
    .join('');
}

const WRAPPERS = {
  '.md': wrapMarkdown,
  '.cc': wrapCpp,
  '.h': wrapCpp,
  '.ts': wrapScript,
  '.js': wrapScript,
  '.mjs': wrapScript,
};

function checkFiles(fix) {
  const files = execFileSync('git', ['ls-files', '-co', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
  });
  return files.split('\n').filter((file) => {
    const wrapper = AS_WRITTEN.test(file) ? undefined : WRAPPERS[path.extname(file)];
    if (wrapper === undefined || !fs.existsSync(path.join(root, file))) return false;
    const text = fs.readFileSync(path.join(root, file), 'utf8');
    const wrapped = wrapper(text, file);
    if (wrapped === text) return false;
    if (fix) fs.writeFileSync(path.join(root, file), wrapped);
    return !fix;
  });
}

module.exports = { wrapMarkdown, wrapCpp, wrapScript };

if (require.main === module)
  script(() => {
    const bad = checkFiles(process.argv.includes('--fix'));
    if (bad.length > 0)
      throw new Error(`prose is not wrapped at ${WIDTH} (npm run format): ${bad.join(', ')}`);
  });
