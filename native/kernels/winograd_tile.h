// Winograd's transforms of tiles of images, whose elements are T. Included once per target after lanes.h,
// activate.h and winograd_axes.h (no include guard on purpose).

// B^T d B of a tile of T: put(point, c, v) takes channels [c, c + W) of a point, zeros beyond `channels`.
template <class T, class Put>
inline void input_tile(const WinogradPixels<const std::byte>& pixels, int64_t channels, Put put) {
  const std::byte* const* rows = pixels.rows;
  const int64_t pixel = pixels.pixel;
  const int first = pixels.first, last = pixels.last;
  for_vectors(channels, [=](int64_t c, auto lanes) {
    const int64_t start = c * static_cast<int64_t>(sizeof(T)) - first * pixel;
    const auto at = [=](int i, int j) { return reinterpret_cast<const T*>(rows[i] + (start + j * pixel)); };
    transform<InputAxis>([=](int j) { return j >= first && j < last; },
                         [=](int i, int j) { return lanes.load(at(i, j)); },
                         [=](int i, int j, V v) { put(i * InputAxis::kOut + j, c, v); });
  });
}

// A^T m A to a tile of T.
template <class T, class Activate>
inline void output_tile_with(const WinogradOutput& tile, Activate activate) {
  for_vectors(tile.channels, [=, &tile](int64_t c, auto lanes) {
    const V bias = tile.bias ? lanes.load(tile.bias + c) : V{};
    const bool biased = tile.bias != nullptr, adds = tile.accumulate;
    const float* products = tile.products + c;
    const int64_t plane = tile.plane, pixel = tile.pixels.pixel;
    const int last = tile.pixels.last;
    std::byte* const* rows = tile.pixels.rows;
    transform<OutputAxis>([=](int i, int j) { return load(products + (i * kWinogradIn + j) * plane); },
                          [=](int i, int j, V v) {
                            if (rows[i] == nullptr || j >= last) return;
                            T* y = reinterpret_cast<T*>(rows[i] + j * pixel) + c;
                            if (biased) v = v + bias;
                            lanes.store(y, activate(adds ? v + lanes.load(y) : v));
                          });
  });
}

// An unfused activation reads the stored value, so the sum is rounded before a fused one too. Not inlined: at
// each of 16 pixels, the long activations took 120 KB of the addon.
template <class T>
[[gnu::noinline]] V activate_stored(V v, Activation activation) {
  return activate(as_stored<T>(v), activation);
}

template <class T>
inline void output_tile(const WinogradOutput& tile) {
  if (tile.activation == Activation::none) return output_tile_with<T>(tile, [](V v) { return v; });
  if (tile.activation == Activation::relu) return output_tile_with<T>(tile, [](V v) { return vmax(v, V{}); });
  output_tile_with<T>(tile, [which = tile.activation](V v) { return activate_stored<T>(v, which); });
}
