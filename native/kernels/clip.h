// Clipping at a constant, in half the instructions of vmax and vmin, which let NaN through from either side.
// Their bits: NaN stays NaN, and what equals the bound becomes the bound. Included once per target after
// vec.h (no include guard on purpose).
inline V at_least(V v, V bound) { return select(v <= bound, bound, v); }

// As long as the bound is not 0, which has two signs, one instruction of x86 has these bits.
inline V at_most(V v, V bound) { return select(bound < v, bound, v); }

// For loops without a branch: between bounds that the loop keeps in registers.
struct Clip {
  V least, most;
  explicit Clip(ClipBounds bounds) : least(splat(bounds.least)), most(splat(bounds.most)) {}
  V operator()(V v) const { return at_most(at_least(v, least), most); }
};
