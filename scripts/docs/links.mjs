/** Links that lead nowhere: from pages and comments as they are written, and from those of the site. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { Converter } from 'typedoc';

/**
 * Listens to the conversion of a program.
 * @returns `page: link` for each file that a page or a comment links to, in Markdown or in HTML, and that is
 *   missing; filled during the conversion
 */
export function missingFiles(app) {
  const missing = [];
  app.converter.on(Converter.EVENT_BEGIN, ({ project: { files } }) => {
    const register = files.register.bind(files);
    files.register = (page, link) => {
      const found = register(page, link);
      if (!found) missing.push(`${path.relative(process.cwd(), page)}: ${link}`);
      return found;
    };
  });
  return missing;
}

/**
 * Looks at the pages of a folder: at files, and at anchors within pages, but not at addresses elsewhere.
 * @returns `page: link` for each that leads nowhere
 */
export function brokenLinks(folder) {
  const pages = readdirSync(folder, { recursive: true }).filter((name) => name.endsWith('.html'));
  const ids = new Map();
  const idsOf = (file) => {
    if (!ids.has(file))
      ids.set(file, new Set([...readFileSync(file, 'utf8').matchAll(/\sid="([^"]*)"/g)].map(([, id]) => id)));
    return ids.get(file);
  };
  return pages.flatMap((page) => {
    const file = path.join(folder, page);
    const text = readFileSync(file, 'utf8');
    const links = new Set([...text.matchAll(/\s(?:href|src)=(["'])(.*?)\1/g)].map(([, , link]) => link));
    return [...links].filter((link) => !leadsSomewhere(file, link, idsOf)).map((link) => `${page}: ${link}`);
  });
}

function leadsSomewhere(file, link, idsOf) {
  if (/^(?:[a-z]+:|\/\/)/i.test(link)) return true;
  const [name, anchor] = link.replaceAll('&amp;', '&').split('#').map(decodeURIComponent);
  const target = name === '' ? file : path.join(path.dirname(file), name.split('?')[0]);
  if (!existsSync(target)) return false;
  return !anchor || !target.endsWith('.html') || idsOf(target).has(anchor);
}
