/** Links of a folder of pages: files that are missing, and anchors that a page does not have. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** @returns `page: link` for each that leads nowhere; addresses elsewhere are not looked at */
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
    const links = new Set([...text.matchAll(/\s(?:href|src)="([^"]*)"/g)].map(([, link]) => link));
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
