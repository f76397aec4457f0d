// A network, and images to train and judge it.
export { model, trainer, train as data, train as fit, validation as held } from './images.mjs';
