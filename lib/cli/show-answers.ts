/** A few glyphs as text, with their class and the model's answer. */
import { glyphs } from '../data/glyphs';
import type { Module } from '../nn';
import { sideBySide, type Picture } from './picture';

/** How many samples of the test split to choose from. */
const LOOKED_AT = 300;
const SHOWN = 3;

/** One sample that the model gets wrong, if there is one, and others that it gets right. */
export async function showAnswers(model: Module): Promise<string> {
  const {
    bytes = new Uint8Array(0),
    labels,
    height,
    width,
    channels,
  } = await glyphs('test', { count: LOOKED_AT });
  const probabilities = await model.predict(bytes);
  const classes = probabilities.length / LOOKED_AT;
  const answers = Array.from(labels, (_, i) =>
    largest(probabilities.subarray(i * classes, (i + 1) * classes)),
  );
  const wrong = answers.findIndex((answer, i) => answer !== labels[i]);
  // Every 13th, because neighbours belong to consecutive classes.
  const right = [0, 13, 26, 39, 52].filter((i) => answers[i] === labels[i]);
  const chosen = [...right, ...(wrong < 0 ? [] : [wrong])].slice(-SHOWN);
  const size = height * width * channels;
  const pictures = chosen.map((i): Picture => {
    const caption = `it is a ${labels[i] ?? '?'}, read as ${answers[i] ?? '?'}`;
    return { bytes: bytes.subarray(i * size, (i + 1) * size), height, width, channels, caption };
  });
  return sideBySide(pictures);
}

/** The index of the largest element, the first of equal ones. */
function largest(values: Float32Array): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if ((values[i] ?? 0) > (values[best] ?? 0)) best = i;
  return best;
}
