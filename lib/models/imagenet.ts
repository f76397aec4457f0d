/** How torchvision's models for ImageNet take images. */
import { checkPreprocessing, type Preprocessing } from '../data/preprocessing';

/**
 * The preprocessing that torchvision's weights were trained with: 224 by 224 pixels, R, G, B, with ImageNet's
 * means and deviations per channel. `model.preprocessing = models.imagenet`, for weights that come from
 * there, because their files do not hold it.
 */
export const imagenet: Preprocessing = checkPreprocessing('models.imagenet', {
  height: 224,
  width: 224,
  channels: 3,
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
  resize: 'cover',
});
