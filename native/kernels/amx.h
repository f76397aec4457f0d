// AMX tiles behind a handful of operations, and the same operations in software. A driver is a template over
// one of the two, so that all of it but these few instructions runs, and is tested, on any machine.
//
// A tile is 16 rows of 64 bytes: 16 x 16 floats, 16 x 32 bf16 (rows of A), or 16 x 16 pairs (rows of packed
// B). Tile numbers are template arguments, as the instructions want constants. Included where the target of
// AMX is open (no include guard on purpose).
constexpr int kTileRows = 16;
constexpr int kTileDepth = 32;  // K of one product of tiles

#if defined(__x86_64__)
// Tile numbers must be literals: GCC's intrinsics paste them into assembly.
  #define TENON_TILE_CASES(T, operation) \
    if constexpr (T == 0) operation(0);  \
    if constexpr (T == 1) operation(1);  \
    if constexpr (T == 2) operation(2);  \
    if constexpr (T == 3) operation(3);  \
    if constexpr (T == 4) operation(4);  \
    if constexpr (T == 5) operation(5);  \
    if constexpr (T == 6) operation(6);  \
    if constexpr (T == 7) operation(7)

struct HardwareTiles {
  // Configures all eight tiles of this thread; releases them.
  HardwareTiles() {
    struct alignas(64) {
      uint8_t palette = 1, start_row = 0, reserved[14] = {};
      uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
      uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
    } config;
    _tile_loadconfig(&config);
  }
  ~HardwareTiles() { _tile_release(); }
  HardwareTiles(const HardwareTiles&) = delete;
  HardwareTiles& operator=(const HardwareTiles&) = delete;

  template <int T>
  void zero() {
  #define TENON_TILE_OPERATION(t) _tile_zero(t)
    TENON_TILE_CASES(T, TENON_TILE_OPERATION);
  #undef TENON_TILE_OPERATION
  }
  // 16 rows of 64 bytes, `stride` bytes apart.
  template <int T>
  void load(const void* p, int64_t stride) {
  #define TENON_TILE_OPERATION(t) _tile_loadd(t, p, static_cast<size_t>(stride))
    TENON_TILE_CASES(T, TENON_TILE_OPERATION);
  #undef TENON_TILE_OPERATION
  }
  template <int T>
  void store(void* p, int64_t stride) {
  #define TENON_TILE_OPERATION(t) _tile_stored(t, p, static_cast<size_t>(stride))
    TENON_TILE_CASES(T, TENON_TILE_OPERATION);
  #undef TENON_TILE_OPERATION
  }
  // C += A B for the four products of tiles that the driver has: C 0..3, A 4 and 5, B 6 and 7.
  template <int C>
  void multiply() {
    if constexpr (C == 0) _tile_dpbf16ps(0, 4, 6);
    if constexpr (C == 1) _tile_dpbf16ps(1, 4, 7);
    if constexpr (C == 2) _tile_dpbf16ps(2, 5, 6);
    if constexpr (C == 3) _tile_dpbf16ps(3, 5, 7);
  }
};
  #undef TENON_TILE_CASES
#endif

// In the order of the instruction (Intel SDM, TDPBF16PS): per element of C the first and the second elements
// of the pairs are summed apart, and then added.
struct SoftwareTiles {
  template <int T>
  void zero() {
    std::memset(tile[T], 0, sizeof tile[T]);
  }
  template <int T>
  void load(const void* p, int64_t stride) {
    for (int r = 0; r < kTileRows; ++r) std::memcpy(tile[T][r], static_cast<const char*>(p) + r * stride, 64);
  }
  template <int T>
  void store(void* p, int64_t stride) {
    for (int r = 0; r < kTileRows; ++r) std::memcpy(static_cast<char*>(p) + r * stride, tile[T][r], 64);
  }
  template <int C>
  void multiply() {
    constexpr int A = 4 + C / 2, B = 6 + C % 2;
    for (int m = 0; m < kTileRows; ++m) {
      for (int n = 0; n < kTileRows; ++n) {
        float first = 0, second = 0;
        for (int k = 0; k < kTileRows; ++k) {
          const uint32_t a = tile[A][m][k], b = tile[B][k][n];
          first += std::bit_cast<float>(a << 16) * std::bit_cast<float>(b << 16);
          second += std::bit_cast<float>(a & 0xffff0000u) * std::bit_cast<float>(b & 0xffff0000u);
        }
        tile[C][m][n] = std::bit_cast<uint32_t>(std::bit_cast<float>(tile[C][m][n]) + (first + second));
      }
    }
  }

  uint32_t tile[8][kTileRows][kTileRows];
};
