/**
 * The page as one text: its parts stand in the folder `page` beside this file, and ECharts draws the
 * charts. Nothing in it asks a network, and its policy forbids that; a live page may ask the server that
 * it came from.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { TenonError } from '../../errors';
import { loadProblemOf } from '../../options';
import type { Update } from './feed';

/** In the order in which they need each other. */
const SCRIPTS = ['basics.js', 'points.js', 'charts.js', 'spaces.js', 'table.js', 'main.js'];

export interface PageOptions {
  readonly title: string;
  readonly update: Update;
  /** Milliseconds between two questions for changes; 0: a file, which asks nobody. */
  readonly poll: number;
}

/** A page and the policy that its server repeats. */
export interface Page {
  readonly html: string;
  readonly policy: string;
}

/** @throws TenonError where ECharts is not installed */
export function pageOf({ title, update, poll }: PageOptions): Page {
  const charts = loadECharts();
  const page = `(() => {\n'use strict';\n${SCRIPTS.map(read).join('\n')}\n})();`;
  const sources = [charts, page].map(
    (text) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`,
  );
  const policy = [
    `default-src 'none'`,
    `script-src ${sources.join(' ')}`,
    // ECharts sets styles of the elements that it makes.
    `style-src 'unsafe-inline'`,
    'img-src data:',
    ...(poll > 0 ? [`connect-src 'self'`] : []),
    `base-uri 'none'`,
    `form-action 'none'`,
  ].join('; ');
  const parts: Readonly<Record<string, string>> = {
    policy,
    title: escapeHtml(title),
    style: `<style>${read('page.css')}</style>`,
    scripts: [
      `<script type="application/json" id="data">${escapeJson({ update, poll })}</script>`,
      ...[charts, page].map((text) => `<script>${text}</script>`),
    ].join('\n'),
  };
  const html = read('page.html').replaceAll(
    /<!-- \{\{(\w+)\}\} -->|\{\{(\w+)\}\}/g,
    (_, part?: string, name?: string) => parts[part ?? name ?? ''] ?? '',
  );
  return { html, policy };
}

function read(name: string): string {
  return readFileSync(join(__dirname, 'page', name), 'utf8');
}

function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

/** JSON that no markup can be in: `</script>` ends a script also within a text. */
function escapeJson(value: unknown): string {
  return JSON.stringify(value)
    .replaceAll('<', '\\u003c')
    .replaceAll('\u2028', '\\u2028')
    .replaceAll('\u2029', '\\u2029');
}

let loaded: string | undefined;
/** The package that is built has a `require` of its own, which only loads. */
const resolver = createRequire(join(__dirname, 'html.js'));

/** The text of ECharts, read at first use. @throws TenonError telling how to install it */
function loadECharts(): string {
  try {
    loaded ??= readFileSync(resolver.resolve('echarts/dist/echarts.min.js'), 'utf8');
  } catch (error) {
    throw new TenonError(
      `pictures of studies need the package "echarts", which cannot be loaded: run npm install echarts (${loadProblemOf(error)})`,
      { cause: error },
    );
  }
  if (/<\/script/i.test(loaded))
    throw new TenonError(
      'this version of the package "echarts" cannot stand within a page: install echarts 6',
    );
  return loaded;
}
