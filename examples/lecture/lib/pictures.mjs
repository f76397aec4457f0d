/** Rows of small pictures as SVG, drawn by ECharts. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as echarts from 'echarts';
import sharp from 'sharp';
import { folder } from './chart.mjs';
import { compact } from './compact.mjs';

const [SIZE, GAP, LABEL, HEAD] = [64, 6, 190, 36];

/** Values of [C, H, W] as a PNG: from `low` (black) to `high` (white). */
export async function png(values, [channels, height, width], low = 0, high = 1) {
  const pixels = Buffer.alloc(height * width * 3);
  for (let i = 0; i < height * width; i++) {
    for (let c = 0; c < 3; c++) {
      const value = values[Math.min(c, channels - 1) * height * width + i];
      pixels[3 * i + c] = Math.max(0, Math.min(255, Math.round((255 * (value - low)) / (high - low))));
    }
  }
  const file = await sharp(pixels, { raw: { width, height, channels: 3 } })
    .png({ compressionLevel: 9 })
    .toBuffer();
  return `data:image/png;base64,${file.toString('base64')}`;
}

/** Writes NAME.svg: rows of { label, pictures }, where a picture is what `png` returned. */
export function drawPictures(name, title, rows) {
  const width = LABEL + Math.max(...rows.map((row) => row.pictures.length)) * (SIZE + GAP) + GAP;
  const height = HEAD + rows.length * (SIZE + GAP) + GAP;
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width, height });
  const top = (down) => HEAD + down * (SIZE + GAP);
  chart.setOption({
    animation: false,
    backgroundColor: '#fff',
    title: { text: title, left: 'center', top: 6, textStyle: { fontSize: 15 } },
    graphic: rows.flatMap(({ label, pictures }, down) => [
      {
        type: 'text',
        style: {
          text: label,
          x: LABEL - 10,
          y: top(down) + SIZE / 2,
          align: 'right',
          verticalAlign: 'middle',
        },
      },
      ...pictures.map((image, i) => ({
        type: 'image',
        style: { image, x: LABEL + i * (SIZE + GAP), y: top(down), width: SIZE, height: SIZE },
      })),
    ]),
  });
  const file = join(folder, `${name}.svg`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(file, `${compact(chart.renderToSVGString())}\n`);
  chart.dispose();
  console.log(`wrote ${file}`);
}
