// Vectors of the target's width, and the two functions that gates are made of.
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
  return Vec<T>{} + value;
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

template <class T>
struct Bits;
template <>
struct Bits<float> {
  using Int = std::int32_t;
  static constexpr int mantissa = 23, bias = 127;
  static constexpr float magic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
  static constexpr float ln2_high = 0.693359375f, ln2_low = -2.12194440e-4f;
  static constexpr float lowest = -87.0f, highest = 89.0f;
};
template <>
struct Bits<double> {
  using Int = std::int64_t;
  static constexpr int mantissa = 52, bias = 1023;
  static constexpr double magic = 6755399441055744.0;
  static constexpr double ln2_high = 0.693145751953125, ln2_low = 1.42860682030941723212e-6;
  static constexpr double lowest = -708.0, highest = 710.0;
};

template <class T>
GATEWISE_INLINE Vec<T> polynomial(Vec<T> x, const T *coefficients, int count) {
  Vec<T> sum = broadcast(coefficients[0]);
  for (int k = 1; k < count; ++k) sum = sum * x + coefficients[k];
  return sum;
}

// exp(x) - 1 on |x| <= ln 2 / 2, by Taylor's series: 7 terms in float, 13 in double.
template <class T>
GATEWISE_INLINE Vec<T> exp_minus_1_near_0(Vec<T> r) {
  if constexpr (sizeof(T) == 4) {
    constexpr T c[] = {1.9875691500e-4f, 1.3981999507e-3f, 8.3334519073e-3f,
                       4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f};
    return polynomial<T>(r, c, 6) * r * r + r;
  } else {
    constexpr T c[] = {1.0 / 6227020800.0, 1.0 / 479001600.0, 1.0 / 39916800.0, 1.0 / 3628800.0,
                       1.0 / 362880.0,     1.0 / 40320.0,     1.0 / 5040.0,     1.0 / 720.0,
                       1.0 / 120.0,        1.0 / 24.0,        1.0 / 6.0,        0.5};
    return polynomial<T>(r, c, 12) * r * r + r;
  }
}

template <class T>
using IntVec = typename VectorOf<typename Bits<T>::Int>::type;

// 2^n for the integers that `rounded` holds, from that of the smallest normal number to infinity.
template <class T>
GATEWISE_INLINE Vec<T> power_of_2(Vec<T> rounded) {
  using B = Bits<T>;
  // The integer stands in the low bits once the magic number is added.
  IntVec<T> bits = (IntVec<T>)(rounded + B::magic) - (IntVec<T>)broadcast(B::magic);
  return (Vec<T>)((bits + B::bias) << B::mantissa);
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

// x * 2^n for the integers that n holds.
template <class T>
GATEWISE_INLINE Vec<T> scale_by_power_of_2(Vec<T> x, Vec<T> n) {
#if GATEWISE_BYTES == 64
  if constexpr (sizeof(T) == 4) return _mm512_scalef_ps(x, n);
  else return _mm512_scalef_pd(x, n);
#else
  return x * power_of_2<T>(n);
#endif
}

// exp(x): infinite where it overflows, and never below the smallest normal number. NaN stays NaN.
template <class T>
GATEWISE_INLINE Vec<T> exponential(Vec<T> x) {
  using B = Bits<T>;
  x = clamp<T>(x, B::lowest, B::highest);
  Vec<T> n = (x * T(1.44269504088896340736) + B::magic) - B::magic;
  Vec<T> r = x - n * B::ln2_high - n * B::ln2_low;
  return scale_by_power_of_2<T>(exp_minus_1_near_0<T>(r) + T(1), n);
}

template <class T>
GATEWISE_INLINE Vec<T> sigmoid(Vec<T> x) {
  return T(1) / (T(1) + exponential<T>(-x));
}

// tanh by its series near 0, where 1 - 2/(exp(2x) + 1) would lose digits, and by that elsewhere.
template <class T>
GATEWISE_INLINE Vec<T> tangent(Vec<T> x) {
  Vec<T> size = x < 0 ? -x : x;
  Vec<T> far = T(1) - T(2) / (exponential<T>(size + size) + T(1));
  far = x < 0 ? -far : far;
  Vec<T> z = x * x, near;
  if constexpr (sizeof(T) == 4) {
    constexpr T c[] = {-5.70498872745e-3f, 2.06390887954e-2f, -5.37397155531e-2f,
                       1.33314422036e-1f, -3.33332819422e-1f};
    near = polynomial<T>(z, c, 5) * z * x + x;
  } else {
    constexpr T p[] = {-9.64399179425052238628e-1, -9.92877231001918586564e1,
                       -1.61468768441708447952e3};
    constexpr T q[] = {1.0, 1.12811678491632931402e2, 2.23548839060100448583e3,
                       4.84406305325125486048e3};
    near = polynomial<T>(z, p, 3) / polynomial<T>(z, q, 4) * z * x + x;
  }
  return size < T(0.625) ? near : far;  // NaN takes the second, which is NaN
}

}  // namespace
}  // namespace gatewise
