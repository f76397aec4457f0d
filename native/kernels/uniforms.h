// The words of a kernel's draws (kernels/draws.h). Included once per target after philox_vec.h (no include
// guard on purpose), from inside the TENON_TARGET part of a kernel file.

// Words of draws [begin, begin + n): a pointer into `buffer`, which has room for n + 4 words.
inline const uint32_t* draw_words(const Draws& d, int64_t begin, int64_t n, uint32_t* buffer) {
  const uint64_t at = d.first + static_cast<uint64_t>(begin);
  const int64_t lead = static_cast<int64_t>(at % 4);
  philox_words(d.key0, d.key1, d.ordinal, d.step, static_cast<int64_t>(at - static_cast<uint64_t>(lead)),
               n + lead, buffer);
  return buffer + lead;
}
