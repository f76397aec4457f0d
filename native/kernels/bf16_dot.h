// The instruction of AVX512-BF16. Included once where its target is open, after vec.h (no include
// guard on purpose).

// sum + the products of pairs of bf16 in a and b. Clang 16 crashes on the intrinsic's bf16 vectors.
inline V dot(V sum, Words a, Words b) {
#if defined(__clang__)
  asm("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
  return sum;
#else
  return (V)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b);
#endif
}
