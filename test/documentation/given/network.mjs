// A network and images to train it.
export { model as network, options, train, validation } from './images.mjs';
