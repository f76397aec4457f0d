'use strict';

// Node-API on Windows. An import library would bind the addon to a program that is called node.exe. Instead,
// each function is a jump to what the process's own program exports under its name, which the addon looks up
// when it is loaded, whether that is node under another name or another program with Node-API.

const fs = require('node:fs');
const path = require('node:path');
const { symbols } = require('node-api-headers');

/** The names of the functions of Node-API 8, which is what the addon is compiled for. */
function functionNames() {
  const { js_native_api_symbols: engine, node_api_symbols: node } = symbols.v8;
  return [...engine, ...node];
}

/** Writes the source of these functions in `folder`; returns its path. */
function writeHostFunctions(folder) {
  const names = functionNames();
  const jump = (name, i) => `    ".globl ${name}\\n${name}: jmpq *tenon_host_functions+${8 * i}(%rip)\\n"`;
  const source = `#define WIN32_LEAN_AND_MEAN
#include <windows.h>

extern "C" {
extern FARPROC tenon_host_functions[${names.length}];
FARPROC tenon_host_functions[${names.length}];
}

namespace {
constexpr const char* kNames[] = {
${names.map((name) => `    "${name}",`).join('\n')}
};

const bool kLookedUp = [] {
  const HMODULE host = GetModuleHandleW(nullptr);
  for (int i = 0; i < ${names.length}; ++i) tenon_host_functions[i] = GetProcAddress(host, kNames[i]);
  return true;
}();
}  // namespace

asm(".text\\n"
${names.map(jump).join('\n')});
`;
  const file = path.join(folder, 'host_functions.cc');
  fs.writeFileSync(file, source);
  return file;
}

module.exports = { writeHostFunctions };
