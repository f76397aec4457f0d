// Where Winograd's algorithm is possible, and where it is faster than direct convolution.
#include "ops/conv2d_winograd.h"

namespace tenon {
namespace {

constexpr int64_t kLeastTiles = 16;        // that are worth transforming the filters for
constexpr int64_t kMostFilters = 1 << 20;  // whose transforms take 150 MB
constexpr double kLeastGain = 1.15;

// Direct convolution's time over Winograd's for one tile, in multiply-adds worth of time; `transforms` is
// what transforming a tile takes, memory included. The constants, here and below, were fitted to measurements
// of both over 1 to 512 channels, 4x4 to 56x56 pixels and batches of 1 to 128: a product of depth k costs as
// much as one of depth k + 4 at 85% of direct convolution's speed.
double gain(const WinogradTiles& tiles, double k, double n, double transforms) {
  const double used = static_cast<double>(tiles.images * tiles.out_h * tiles.out_w) /
                      static_cast<double>(tiles.count() * kWinogradOut * kWinogradOut);
  const double direct = used * 9 * kWinogradOut * kWinogradOut * k * n;
  const double products = kWinogradPoints * (k + 4) * n / 0.85;
  return direct / (products + transforms);
}

}  // namespace

bool conv2d_winograd_fits(const ConvGeom& g) {
  return g.kh == 3 && g.kw == 3 && g.sh == 1 && g.sw == 1 && g.dh == 1 && g.dw == 1 && g.groups == 1;
}

bool conv2d_winograd_wins(ConvPass pass, const ConvGeom& g, const GemmKernels& kernels) {
  if (!conv2d_winograd_fits(g) || g.c * g.o > kMostFilters) return false;
  const bool data = pass == ConvPass::backward_data;
  const WinogradTiles tiles = {g.n, data ? g.h : g.oh, data ? g.w : g.ow};
  if (tiles.count() < kLeastTiles) return false;
  if (pass == ConvPass::backward_weights) {
    const auto k = static_cast<double>(g.o), n = static_cast<double>(g.c);
    return gain(tiles, k, n, 340 * (k + n)) > kLeastGain;
  }
  // Both algorithms compute whole vectors of output channels, and transforms those of input channels.
  const auto lanes = [&](int64_t channels) {
    return static_cast<double>(ceil_div(channels, kernels.width) * kernels.width);
  };
  const int64_t k = data ? g.o : g.c, n = data ? g.c : g.o;
  return gain(tiles, static_cast<double>(k), lanes(n), 250 * (lanes(k) + lanes(n))) > kLeastGain;
}

}  // namespace tenon
