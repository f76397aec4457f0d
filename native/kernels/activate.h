// The activations that a matrix product may end with, as the pointwise kernels compute them, so that fusing
// changes no bit. Included once per target after math.h and clip.h (no include guard on purpose).
inline V activate(V v, Activation activation) {
  switch (activation) {
    case Activation::relu:
      return at_least(v, V{});
    case Activation::relu6:
      return at_most(at_least(v, V{}), splat(6));
    case Activation::tanh:
      return vtanh(v);
    case Activation::sigmoid:
      return vsigmoid(v);
    default:
      return v;
  }
}
