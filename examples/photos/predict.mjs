/** What photographs show: node predict.mjs MODEL IMAGE... */
import { data, load } from 'tenon';

const [file, ...images] = process.argv.slice(2);
if (images.length === 0) {
  console.error('usage: node predict.mjs MODEL IMAGE...');
  process.exit(1);
}
const model = await load(file);
for (const image of images) {
  try {
    const probabilities = await model.predict(await data.decode(image, model));
    const best = probabilities.indexOf(Math.max(...probabilities));
    console.log(`${image}: ${model.classNames[best]} (${probabilities[best].toFixed(2)})`);
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
