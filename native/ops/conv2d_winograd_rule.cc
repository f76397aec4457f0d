// Where Winograd's algorithm is possible, and where it is faster than direct convolution.
#include "ops/conv2d_winograd.h"

namespace tenon {

bool conv2d_winograd_fits(const ConvGeom& g) {
  return g.kh == 3 && g.kw == 3 && g.sh == 1 && g.sw == 1 && g.dh == 1 && g.dw == 1 && g.groups == 1;
}

bool conv2d_winograd_wins(ConvPass, const ConvGeom&, const GemmKernels&) { return false; }

}  // namespace tenon
