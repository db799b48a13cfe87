// Products of a few rows with packed weights, the sums held in registers.
#pragma once

#include <utility>

#include "vector.h"

namespace gatewise {
namespace {

// Rows held at once with N vectors of sums each: as many as there are registers for.
template <int N>
constexpr int TILE_ROWS = GATEWISE_BYTES == 64 ? (N == 4 ? 6 : N == 3 ? 8 : 12)
                                               : (N >= 3 ? 3 : 6);

// sums[r][FIRST + n] += sum over k of rows[r][k] * weights[k][n]; weights are (K, N, lanes).
template <class T, int R, int ALL, int FIRST, int N>
inline __attribute__((always_inline)) void accumulate(Vec<T> (&sums)[R][ALL], const T *const *rows,
                                                      const T *weights, std::int64_t count) {
  for (std::int64_t k = 0; k < count; ++k) {
    Vec<T> w[N];
#pragma GCC unroll 4
    for (int n = 0; n < N; ++n) w[n] = load(weights + (k * N + n) * LANES<T>);
#pragma GCC unroll 12
    for (int r = 0; r < R; ++r) {
      const Vec<T> a = broadcast(rows[r][k]);
#pragma GCC unroll 4
      for (int n = 0; n < N; ++n) sums[r][FIRST + n] += a * w[n];
    }
  }
}

// Call body.template operator()<R>(first) for rows [0, count) in tiles of at most MOST rows, all of
// about one size: a small last tile would leave the multipliers idle.
template <int MOST, class Body>
inline void for_tiles(std::int64_t count, Body &&body) {
  const std::int64_t tiles = (count + MOST - 1) / MOST;
  for (std::int64_t tile = 0, first = 0; tile < tiles; ++tile) {
    const std::int64_t size = count / tiles + (tile < count % tiles);
    [&]<int... R>(std::integer_sequence<int, R...>) {
      ((size == R + 1 && (body.template operator()<R + 1>(first), true)) || ...);
    }(std::make_integer_sequence<int, MOST>{});
    first += size;
  }
}

// Copy `width` columns of `rows` rows of a matrix into a panel, turned round: to[k * stride + row].
template <class T>
inline void transpose(T *to, std::int64_t stride, const T *from, std::int64_t rows,
                      std::int64_t width, std::int64_t row_stride) {
  constexpr std::int64_t BLOCK = 16;  // a line of the cache, so that each is read once
  for (std::int64_t k = 0; k < width; k += BLOCK) {
    const std::int64_t end = k + BLOCK < width ? k + BLOCK : width;
    for (std::int64_t row = 0; row < rows; ++row)
      for (std::int64_t kk = k; kk < end; ++kk) to[kk * stride + row] = from[row * row_stride + kk];
  }
}

}  // namespace
}  // namespace gatewise
