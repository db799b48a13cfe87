// Vectors of the target's width.
//
// Included by one file per instruction set, which defines GATEWISE_BYTES (16, 32 or 64); everything
// has internal linkage, so that no target's code can stand in for another's.
#pragma once

#include <cstdint>

#if GATEWISE_BYTES == 64
#include <immintrin.h>
#endif

namespace gatewise {
namespace {

template <class T>
struct VectorOf {
  typedef T type __attribute__((vector_size(GATEWISE_BYTES)));
};
template <>
struct VectorOf<std::int32_t> {
  typedef std::int32_t type __attribute__((vector_size(GATEWISE_BYTES)));
};
template <class T>
using Vec = typename VectorOf<T>::type;

// As many bytes as a vector of T has lanes.
template <class T>
struct BytesOf {
  typedef std::uint8_t type __attribute__((vector_size(GATEWISE_BYTES / sizeof(T))));
};
template <class T>
using Bytes = typename BytesOf<T>::type;

template <class T>
constexpr int LANES = GATEWISE_BYTES / sizeof(T);

// Small functions must not be left out of line: a call empties the registers.
#define GATEWISE_INLINE inline __attribute__((always_inline))

template <class T>
GATEWISE_INLINE Vec<T> load(const T *p) {
  Vec<T> v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

template <class T>
GATEWISE_INLINE void store(T *p, Vec<T> v) {
  __builtin_memcpy(p, &v, sizeof v);
}

template <class T>
GATEWISE_INLINE Vec<T> broadcast(T value) {
  return value - Vec<T>{};  // which leaves -0 as it is, so that nothing is computed
}

template <class T>
GATEWISE_INLINE T sum_of_lanes(Vec<T> v) {
  T lanes[LANES<T>];
  store(lanes, v);
#pragma GCC unroll 4
  for (int half = LANES<T> / 2; half > 0; half /= 2)
#pragma GCC unroll 8
    for (int k = 0; k < half; ++k) lanes[k] += lanes[k + half];
  return lanes[0];
}

// A row's last vector may be cut off by its end; out of line, so that the fast path keeps registers.
template <class T>
__attribute__((noinline)) Vec<T> load_tail(const T *p, std::int64_t count) {
  T lanes[LANES<T>] = {};
  for (std::int64_t k = 0; k < count; ++k) lanes[k] = p[k];
  return load<T>(lanes);
}

template <class T>
__attribute__((noinline)) void store_tail(T *p, const T *lanes, std::int64_t count) {
  for (std::int64_t k = 0; k < count; ++k) p[k] = lanes[k];
}

template <class T>
GATEWISE_INLINE Vec<T> load_upto(const T *row, std::int64_t at, std::int64_t width) {
  return at + LANES<T> <= width ? load(row + at) : load_tail(row + at, width - at);
}

template <class T>
GATEWISE_INLINE void store_upto(T *row, std::int64_t at, std::int64_t width, Vec<T> v) {
  if (at + LANES<T> <= width) {
    store(row + at, v);
  } else {
    T lanes[LANES<T>];
    store(lanes, v);
    store_tail(row + at, lanes, width - at);
  }
}

// How a type's bits are laid out.
template <class T>
struct Bits;
template <>
struct Bits<float> {
  using Int = std::int32_t;
  static constexpr int mantissa = 23, bias = 127;
  static constexpr float magic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
};
template <>
struct Bits<double> {
  using Int = std::int64_t;
  static constexpr int mantissa = 52, bias = 1023;
  static constexpr double magic = 6755399441055744.0;
};

template <class T>
using IntVec = typename VectorOf<typename Bits<T>::Int>::type;

// 2^n or 2^-n. Takes n + magic, which has the integer n in its low bits; the others are shifted out.
template <class T>
GATEWISE_INLINE Vec<T> power_of_2(Vec<T> sum, bool is_positive) {
  using B = Bits<T>;
  using Int = typename B::Int;
  const IntVec<T> one = IntVec<T>{} + (Int(B::bias) << B::mantissa);
  const IntVec<T> exponent = (IntVec<T>)sum << B::mantissa;
  return (Vec<T>)(is_positive ? one + exponent : one - exponent);
}

// x between two bounds; NaN stays NaN.
template <class T>
GATEWISE_INLINE Vec<T> clamp(Vec<T> x, T lowest, T highest) {
#if GATEWISE_BYTES == 64  // one instruction each, which gives its second operand where one is NaN
  if constexpr (sizeof(T) == 4)
    return _mm512_max_ps(_mm512_set1_ps(lowest), _mm512_min_ps(_mm512_set1_ps(highest), x));
  else
    return _mm512_max_pd(_mm512_set1_pd(lowest), _mm512_min_pd(_mm512_set1_pd(highest), x));
#else
  x = x > highest ? broadcast(highest) : x;
  return x < lowest ? broadcast(lowest) : x;
#endif
}

// 1 / x, to 14 bits at least.
template <class T>
GATEWISE_INLINE Vec<T> reciprocal(Vec<T> x) {
#if GATEWISE_BYTES == 64
  if constexpr (sizeof(T) == 4) return _mm512_rcp14_ps(x);
#endif
  return T(1) / x;
}

}  // namespace
}  // namespace gatewise
