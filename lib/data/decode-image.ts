/** `data.decode`: an encoded image as a model sees it. */
import { AbortedError, OptionError } from '../errors';
import { checkKeys, checkSignal, nonEmptyString } from '../options';
import { IMAGE_LIMITS, readLimits, type ImageLimits } from '../files/limits';
import { readWhole } from '../files/read';
import { decode, DEFAULT_RESIZE, type DecodeTarget } from './decode';
import { asBytes } from './memory';
import { checkPreprocessing, type Preprocessing } from './preprocessing';

/** A model, or anything else that says which images it takes. */
export interface HasPreprocessing {
  readonly preprocessing: Preprocessing | undefined;
}

/** Options of `data.decode`. */
export interface DecodeOptions extends ImageLimits {
  /**
   * Drops an image that waits for others to be decoded. `decode` rejects with an AbortedError, whose cause is
   * the signal's reason, when the image's turn comes, or when it is decoded if that had begun.
   */
  readonly signal?: AbortSignal;
}

/**
 * Decodes a PNG, JPEG or WebP image (whatever sharp reads) to what `model.predict` takes, with the model's
 * size, resize rule and channels. `tenon predict` shows the model the same pixels, and so does training on a
 * folder, apart from augmentation: orientation by EXIF, colours as sRGB, transparent pixels over black, 8
 * bits. Decoded off the event loop.
 * @param image the file's bytes, which are copied, or its path
 * @param model a model, or the `preprocessing` of one
 * @param options how large an image may be before it is resized, and a signal that drops it
 * @returns height * width * channels bytes, H W C; for several images in one call of `predict`, concatenate
 *   theirs
 * @throws FormatError for what is not an image, a damaged one, and one larger than the limits; DataError,
 *   IoError for a path; DTypeError; OptionError for a model without preprocessing, or with other than 1 or 3
 *   channels; AbortedError; TenonError where sharp is not installed
 */
export async function decodeImage(
  image: Uint8Array | Uint8ClampedArray | string,
  model: HasPreprocessing | Preprocessing,
  options: DecodeOptions = {},
): Promise<Uint8Array> {
  checkKeys('decode', options, [...IMAGE_LIMITS, 'signal']);
  const signal = checkSignal('decode', options.signal);
  const target = { ...targetOf(model), limits: readLimits('decode', options), ...(signal && { signal }) };
  const name = typeof image === 'string' ? nonEmptyString('decode', 'image', image) : 'decode: the image';
  // A copy: the decoder reads on a thread of its own while the caller may change the array, or transfer it.
  const bytes =
    typeof image === 'string' ? await readWhole(image) : asBytes('decode', 'image', image).slice();
  const pixels = new Uint8Array(target.height * target.width * target.channels);
  try {
    await decode(bytes, name, target, pixels);
    signal?.throwIfAborted();
  } catch (error) {
    throw signal?.aborted === true ? new AbortedError('decode: aborted', { cause: signal.reason }) : error;
  }
  return pixels;
}

function targetOf(model: unknown): DecodeTarget {
  const settings =
    typeof model === 'object' && model !== null && 'preprocessing' in model ? model.preprocessing : model;
  if (settings === undefined && settings !== model)
    throw new OptionError(
      'decode: the model has no preprocessing to decode by: train it on images, or set model.preprocessing',
    );
  const { height, width, channels, resize = DEFAULT_RESIZE } = checkPreprocessing('decode', settings);
  if (channels === 1 || channels === 3) return { height, width, channels, resize };
  throw new OptionError(`decode: image files have 1 or 3 channels, the model takes ${channels}`);
}
