/**
 * Makes the SVG of ECharts smaller: removes styles and what only scripts of a browser use, writes circles as
 * circles, and rounds to 0.01 pixels.
 */
export function compact(svg) {
  const plain = svg
    .replace(/ (?:ecmeta_\w+|class|pointer-events|xml:space)="[^"]*"/g, '')
    .replace(/<style[\s\S]*?<\/style>\s*/g, '')
    .replace(/><\/(?:path|rect|circle|image)>/g, '/>')
    .replace(
      /<path d="M1 0A1 1 0 1 1 1 -0\.1A1 1 0 0 1 1 0" transform="matrix\(([\d.]+),0,0,\1,([-\d.]+),([-\d.]+)\)"/g,
      '<circle r="$1" cx="$2" cy="$3"',
    )
    .replace(/ (?:d|transform|cx|cy)="[^"]*"/g, (text) => text.replace(/(\.\d\d)\d+/g, '$1'));
  return withClasses(joined(plain));
}

/** Neighbouring paths that look alike, bars or lines of a grid, become one. */
function joined(svg) {
  const lines = [];
  let last;
  for (const line of svg.split('\n')) {
    const [, path, look] = /^<path d="([^"]*)"([^>]*\/>)$/.exec(line) ?? [];
    if (path !== undefined && look === last?.look) last.path += path;
    else lines.push((last = { path, look, line }));
  }
  return lines
    .map(({ path, look, line }) => (path === undefined ? line : `<path d="${path}"${look}`))
    .join('\n');
}

/** Styles that many elements share become classes. */
function withClasses(svg) {
  const styles = [...new Set(svg.match(/ style="[^"]*"/g))].filter((style) => svg.split(style).length > 20);
  const rules = styles.map((style, i) => `.s${i}{${style.slice(' style="'.length, -1)}}`);
  const marked = styles.reduce((text, style, i) => text.replaceAll(style, ` class="s${i}"`), svg);
  return rules.length > 0 ? marked.replace(/(<svg[^>]*>)/, `$1\n<style>${rules.join('')}</style>`) : marked;
}
