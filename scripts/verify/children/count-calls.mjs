/** Counts calls into tenon's addon from outside: whatever loads it gets functions that count and pass on. */
const isAddon = (file) => /[\\/]tenon\.node$/.test(file);

/** Before tenon loads its addon. */
export function countCalls() {
  const counts = new Map();
  const load = process.dlopen;
  process.dlopen = (module, file, ...rest) => {
    load.call(process, module, file, ...rest);
    if (isAddon(file)) module.exports = counting(module.exports, counts);
  };
  return {
    total: () => [...counts.values()].reduce((sum, count) => sum + count, 0),
    byName: () => Object.fromEntries(counts),
  };
}

function counting(addon, counts) {
  const wrapped = {};
  for (const [name, value] of Object.entries(addon)) {
    if (typeof value !== 'function') throw new Error(`the addon exports ${name}, which is not a function`);
    wrapped[name] = (...args) => {
      counts.set(name, (counts.get(name) ?? 0) + 1);
      return value(...args);
    };
  }
  return wrapped;
}
