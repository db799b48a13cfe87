// The two functions that gates are made of, for several vectors at once.
//
// Each is a chain of operations that wait for one another, and a processor looks ahead for the length
// of about one such chain. So each operation is done for all vectors before the next one is.
#pragma once

#include "vector.h"

namespace gatewise {
namespace {

// exp(x) = 1 + x + x^2 (terms[0] + terms[1] x + …) on |x| <= ln 2 / 2: to a fifth of an ulp by a minimax
// polynomial in float, by Taylor's series in double.
template <class T>
struct Exponential;
template <>
struct Exponential<float> {
  static constexpr float terms[] = {0.5f, 1.66665435e-1f, 4.16662805e-2f, 8.3666109e-3f,
                                    1.3946497e-3f};
  static constexpr float ln2_high = 0.693359375f, ln2_low = -2.12194440e-4f;
  static constexpr float lowest = -87.0f, highest = 88.3f;  // whose powers of 2 are normal
  static constexpr float flat = 9.02f;                      // from where on tanh rounds to 1
};
template <>
struct Exponential<double> {
  static constexpr double terms[] = {0.5,
                                     1.0 / 6.0,
                                     1.0 / 24.0,
                                     1.0 / 120.0,
                                     1.0 / 720.0,
                                     1.0 / 5040.0,
                                     1.0 / 40320.0,
                                     1.0 / 362880.0,
                                     1.0 / 3628800.0,
                                     1.0 / 39916800.0,
                                     1.0 / 479001600.0,
                                     1.0 / 6227020800.0};
  static constexpr double ln2_high = 0.693145751953125, ln2_low = 1.42860682030941723212e-6;
  static constexpr double lowest = -708.0, highest = 709.4;
  static constexpr double flat = 19.1;
};

// exp(x) - 1 on |x| <= ln 2 / 2.
template <class T, int N>
GATEWISE_INLINE void exp_minus_1(const Vec<T> (&x)[N], Vec<T> (&result)[N]) {
  constexpr auto &terms = Exponential<T>::terms;
  constexpr int COUNT = sizeof terms / sizeof terms[0], PAIRS = COUNT / 2;
  Vec<T> square[N];
#pragma GCC unroll 8
  for (int k = 0; k < N; ++k) square[k] = x[k] * x[k];
#pragma GCC unroll 8
  for (int k = 0; k < N; ++k) result[k] = broadcast(COUNT % 2 ? terms[COUNT - 1] : T(0));
#pragma GCC unroll 8
  for (int pair = PAIRS - 1; pair >= 0; --pair)
#pragma GCC unroll 8
    for (int k = 0; k < N; ++k)
      result[k] = result[k] * square[k] + (x[k] * terms[2 * pair + 1] + terms[2 * pair]);
#pragma GCC unroll 8
  for (int k = 0; k < N; ++k) result[k] = result[k] * square[k] + x[k];
}

// Put sigmoid(x) in the place of the first values and tanh(x) in that of the others. NaN stays NaN.
//
// sigmoid(x) = 1 / (1 + exp(-x)), 0 where that is below the least normal number. With exp(2x) =
// (1 + p) / c, c a power of 2, tanh(x) = (p + (1 - c)) / (p + (1 + c)): no digits are lost near 0.
// Its quotient is corrected by a step of Newton's that takes the divisor as a sum, unrounded.
template <int SIGMOIDS, int TANGENTS, class T>
GATEWISE_INLINE void activate(Vec<T> (&values)[SIGMOIDS + TANGENTS]) {
  using E = Exponential<T>;
  using V = Vec<T>;
  constexpr int N = SIGMOIDS + TANGENTS;
  constexpr T magic = Bits<T>::magic;
  V x[N], n[N], power[N], p[N];
#pragma GCC unroll 8
  for (int k = 0; k < N; ++k)
    x[k] = k < SIGMOIDS ? clamp<T>(-values[k], E::lowest, E::highest)
                        : clamp<T>(values[k], -E::flat, E::flat) * T(2);
#pragma GCC unroll 8
  for (int k = 0; k < N; ++k) n[k] = x[k] * T(1.44269504088896340736) + magic;
#pragma GCC unroll 8
  for (int k = 0; k < N; ++k) power[k] = power_of_2<T>(n[k], k < SIGMOIDS);
#pragma GCC unroll 8
  for (int k = 0; k < N; ++k) n[k] -= magic;
#pragma GCC unroll 8
  for (int k = 0; k < N; ++k) x[k] -= n[k] * E::ln2_high;
#pragma GCC unroll 8
  for (int k = 0; k < N; ++k) x[k] -= n[k] * E::ln2_low;
  exp_minus_1<T>(x, p);
#pragma GCC unroll 8
  for (int k = 0; k < SIGMOIDS; ++k) p[k] = p[k] * power[k] + power[k];
#pragma GCC unroll 8
  for (int k = 0; k < SIGMOIDS; ++k) values[k] = T(1) / (p[k] + T(1));
  V inverse[N], near[N];
#pragma GCC unroll 8
  for (int k = SIGMOIDS; k < N; ++k) inverse[k] = reciprocal<T>(p[k] + (power[k] + T(1)));
#pragma GCC unroll 8
  for (int k = SIGMOIDS; k < N; ++k) values[k] = p[k] + (T(1) - power[k]);
#pragma GCC unroll 8
  for (int k = SIGMOIDS; k < N; ++k) near[k] = values[k] * inverse[k];
#pragma GCC unroll 8
  for (int k = SIGMOIDS; k < N; ++k)
    values[k] = near[k] + ((values[k] - near[k] * (power[k] + T(1))) - near[k] * p[k]) * inverse[k];
}

template <class T>
GATEWISE_INLINE Vec<T> sigmoid(Vec<T> x) {
  Vec<T> values[] = {x};
  activate<1, 0, T>(values);
  return values[0];
}

template <class T>
GATEWISE_INLINE Vec<T> tangent(Vec<T> x) {
  Vec<T> values[] = {x};
  activate<0, 1, T>(values);
  return values[0];
}

}  // namespace
}  // namespace gatewise
