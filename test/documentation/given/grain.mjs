// A module whose default export changes images.
import { writeFileSync } from 'node:fs';

writeFileSync('grain.mjs', 'export default (pixels) => void pixels.reverse();\n');
