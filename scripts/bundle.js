'use strict';

// Joins the compiled modules into one file. Node spends a third of a millisecond on every file it loads, more
// than it takes to run what most of ours hold: 260 files took 87 ms, one takes 52. A bundler would rename
// classes and functions that share a name, which errors and stack traces show; wrapping each module in a
// function, as Node does itself, keeps them.

const path = require('node:path').posix;

/** The `require("./relative")` calls of a compiled module, the way TypeScript writes them. */
const relativeRequire = /\brequire\("(\.[^"]*)"\)/g;

/**
 * The text of one CommonJS module that holds `modules` (path from its folder -> compiled text) and exports a
 * function: path -> that module's exports, run at the first call.
 */
function bundle(modules) {
  const wrapped = [...modules].map(([file, text]) => {
    const body = text.replace(/^#!.*\n/, '').replace(relativeRequire, (_, request) => {
      return `require("${resolve(modules, file, request)}")`;
    });
    return `${JSON.stringify(file)}: (function (exports, require, module, __dirname) {\n${body}\n}),\n`;
  });
  return `'use strict';\nconst modules = {\n${wrapped.join('')}};\n${runtime}`;
}

function resolve(modules, from, request) {
  const target = path.join(path.dirname(from), request);
  const file = [`${target}.js`, `${target}/index.js`, target].find((candidate) => modules.has(candidate));
  if (!file) throw new Error(`${from} requires ${request}, which was not compiled`);
  return file;
}

const runtime = `
const { dirname, join } = require('node:path');
const loaded = new Map();

function load(file) {
  if (!Object.hasOwn(modules, file)) return require(file);
  const known = loaded.get(file);
  if (known) return known.exports;
  const module = { exports: {} };
  loaded.set(file, module);
  try {
    modules[file](module.exports, load, module, join(__dirname, dirname(file)));
  } catch (error) {
    loaded.delete(file);
    throw error;
  }
  return module.exports;
}

module.exports = load;
`;

module.exports = { bundle };
