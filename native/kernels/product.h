// Products of a few rows with packed weights, the sums held in registers.
//
// Packed weights are panels: a matrix with K columns and U rows, one a unit, stands as
// (U / lanes, K, lanes), so that a vector of units has its weights one after the other.
#pragma once

#include <utility>

#include "../api.h"
#include "vector.h"

namespace gatewise {
namespace {

// Rows held at once with N vectors of sums each: as many as there are registers for.
template <int N>
constexpr int TILE_ROWS = GATEWISE_BYTES == 64 ? (N == 4 ? 6 : 8)
                                               : (N == 4 ? 3 : N == 3 ? 4 : 6);

// Vectors of units that a product without gates makes at once.
constexpr int WIDE = 3;

// sums[r][FIRST + n] += sum over k of value(r, k) * weights[n * stride + k], vectors of units.
template <int FIRST, int N, class T, int R, int ALL, class Value>
inline __attribute__((always_inline)) void accumulate(Vec<T> (&sums)[R][ALL], const Value &value,
                                                      const T *weights, std::int64_t stride,
                                                      std::int64_t count) {
  for (std::int64_t k = 0; k < count; ++k) {
    Vec<T> w[N];
#pragma GCC unroll 4
    for (int n = 0; n < N; ++n) w[n] = load(weights + n * stride + k * LANES<T>);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const Vec<T> a = broadcast(value(r, k));
#pragma GCC unroll 4
      for (int n = 0; n < N; ++n) sums[r][FIRST + n] += a * w[n];
    }
  }
}

// Call body.template operator()<R>(first) for [0, count) in pieces of at most MOST, all of about
// one size: a small last piece would leave the multipliers idle.
template <int MOST, class Body>
inline void for_tiles(std::int64_t count, Body &&body) {
  const std::int64_t tiles = (count + MOST - 1) / MOST;
  for (std::int64_t tile = 0, first = 0; tile < tiles; ++tile) {
    const std::int64_t size = count / tiles + (tile < count % tiles);
    [&]<int... R>(std::integer_sequence<int, R...>) {
      static_cast<void>(((size == R + 1 && (body.template operator()<R + 1>(first), true)) || ...));
    }(std::make_integer_sequence<int, MOST>{});
    first += size;
  }
}

// The product of R rows with N vectors of units, left in `to`, (R, N, lanes). Not inlined: the many
// who call it would each have a copy for every R and N.
template <class T, int R, int N>
__attribute__((noinline)) void product_tile(const T *const *rows, const T *panels,
                                            std::int64_t depth, T *to) {
  Vec<T> sums[R][N] = {};
  accumulate<0, N, T>(sums, [&](int r, std::int64_t k) { return rows[r][k]; }, panels,
                      depth * LANES<T>, depth);
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int n = 0; n < N; ++n) store(to + (r * N + n) * LANES<T>, sums[r][n]);
}

template <class T>
struct ProductTiles {
  static constexpr int MOST_ROWS = 8;
  using Tile = void (*)(const T *const *, const T *, std::int64_t, T *);
  Tile of[WIDE][MOST_ROWS];
};

template <class T, int N, int... R>
constexpr void fill_tiles(ProductTiles<T> &tiles, std::integer_sequence<int, R...>) {
  ((tiles.of[N - 1][R] = product_tile<T, R + 1, N>), ...);
}

template <class T>
constexpr ProductTiles<T> product_tiles() {
  ProductTiles<T> tiles{};
  fill_tiles<T, 1>(tiles, std::make_integer_sequence<int, TILE_ROWS<1>>{});
  fill_tiles<T, 2>(tiles, std::make_integer_sequence<int, TILE_ROWS<2>>{});
  fill_tiles<T, 3>(tiles, std::make_integer_sequence<int, TILE_ROWS<3>>{});
  return tiles;
}

// Call body(first, size) for [0, count) in pieces of at most `most`, all of about one size.
template <class Body>
inline void for_pieces(std::int64_t count, std::int64_t most, const Body &body) {
  const std::int64_t pieces = (count + most - 1) / most;
  for (std::int64_t piece = 0, first = 0; piece < pieces; ++piece) {
    const std::int64_t size = count / pieces + (piece < count % pieces);
    body(first, size);
    first += size;
  }
}

// For each row and each vector of units in [from, to), give body(row, unit, sum) the product of
// the row, row_of(row) with `depth` elements, with the units' weights. Who calls it again and again
// turns round every time: the weights used last are still in the cache.
template <class T, class RowOf, class Body>
inline void multiply(std::int64_t count, const RowOf &row_of, std::int64_t depth, const T *panels,
                     std::int64_t from, std::int64_t to, bool turned, const Body &body) {
  static constexpr ProductTiles<T> tiles = product_tiles<T>();
  constexpr int L = LANES<T>;
  constexpr std::int64_t rows_at_once[] = {TILE_ROWS<1>, TILE_ROWS<2>, TILE_ROWS<3>};
  for_pieces((to - from) / L, WIDE, [&](std::int64_t vector, std::int64_t vectors) {
    const std::int64_t unit = turned ? to - (vector + vectors) * L : from + vector * L;
    for_pieces(count, rows_at_once[vectors - 1], [&](std::int64_t first, std::int64_t size) {
      const T *rows[ProductTiles<T>::MOST_ROWS];
      alignas(64) T sums[ProductTiles<T>::MOST_ROWS * WIDE * L];
      for (std::int64_t r = 0; r < size; ++r) rows[r] = row_of(first + r);
      tiles.of[vectors - 1][size - 1](rows, panels + unit * depth, depth, sums);
      for (std::int64_t r = 0; r < size; ++r)
        for (std::int64_t n = 0; n < vectors; ++n)
          body(first + r, unit + n * L, load(sums + (r * vectors + n) * L));
    });
  });
}

// Add to `to`, (OUTER_ROWS, N, lanes) with `to_stride` from row to row, the sum over `depth` places of
// OUTER_ROWS elements each times N vectors each.
constexpr int OUTER_ROWS = TILE_ROWS<3>;

template <class T, int N>
__attribute__((noinline)) void outer_tile(const T *left, std::int64_t left_stride, const T *right,
                                          std::int64_t right_stride, std::int64_t depth, T *to,
                                          std::int64_t to_stride) {
  Vec<T> sums[OUTER_ROWS][N];
#pragma GCC unroll 8
  for (int r = 0; r < OUTER_ROWS; ++r)
#pragma GCC unroll 4
    for (int n = 0; n < N; ++n) sums[r][n] = load(to + r * to_stride + n * LANES<T>);
  accumulate<0, N, T>(
      sums, [&](int r, std::int64_t k) { return left[k * left_stride + r]; }, right, right_stride,
      depth);
#pragma GCC unroll 8
  for (int r = 0; r < OUTER_ROWS; ++r)
#pragma GCC unroll 4
    for (int n = 0; n < N; ++n) store(to + r * to_stride + n * LANES<T>, sums[r][n]);
}

// Turn a square of L vectors round: what was lane k of vector n becomes lane n of vector k.
template <int STEP, class T, int... LANE>
GATEWISE_INLINE void swap_halves(Vec<T> &a, Vec<T> &b, std::integer_sequence<int, LANE...>) {
  constexpr int L = LANES<T>;
  const Vec<T> low = __builtin_shufflevector(a, b, (LANE & STEP ? L + LANE - STEP : LANE)...);
  b = __builtin_shufflevector(a, b, (LANE & STEP ? L + LANE : LANE + STEP)...);
  a = low;
}

template <int STEP, class T>
GATEWISE_INLINE void turn(Vec<T> (&square)[LANES<T>]) {
  if constexpr (STEP > 0) {
#pragma GCC unroll 16
    for (int n = 0; n < LANES<T>; ++n)
      if (!(n & STEP))
        swap_halves<STEP, T>(square[n], square[n + STEP],
                             std::make_integer_sequence<int, LANES<T>>{});
    turn<STEP / 2, T>(square);
  }
}

// Part `rank` of `size` parts of: pack `units` rows of a matrix, `depth` elements each, into panels
// of `wide` units; the units that fill up are 0.
template <class T>
inline void pack_rows(T *to, const T *from, std::int64_t units, std::int64_t wide,
                      std::int64_t depth, int rank, int size) {
  constexpr std::int64_t L = LANES<T>;
  const std::int64_t vectors = wide / L;
  for (std::int64_t v = vectors * rank / size; v < vectors * (rank + 1) / size; ++v) {
    const std::int64_t u = v * L, lanes = units - u < L ? (units > u ? units - u : 0) : L;
    T *panel = to + u * depth;
    const T *rows = from + u * depth;
    std::int64_t k = 0;
    for (; k + L <= depth && lanes == L; k += L) {
      Vec<T> square[L];
#pragma GCC unroll 16
      for (int n = 0; n < L; ++n) square[n] = load(rows + n * depth + k);
      turn<L / 2, T>(square);
#pragma GCC unroll 16
      for (int n = 0; n < L; ++n) store(panel + (k + n) * L, square[n]);
    }
    for (; k < depth; ++k)
      for (std::int64_t n = 0; n < L; ++n) panel[k * L + n] = n < lanes ? rows[n * depth + k] : T(0);
  }
}

// Part `rank` of `size` parts of: pack the columns of a matrix, one a unit, into rows [first,
// first + depth) of panels that are `all` deep, and 0 into the rows up to first + room.
template <class T>
inline void pack_columns(T *to, const T *from, std::int64_t units, std::int64_t first,
                         std::int64_t depth, std::int64_t room, std::int64_t all, int rank,
                         int size) {
  constexpr std::int64_t L = LANES<T>;
  for (std::int64_t k = room * rank / size; k < room * (rank + 1) / size; ++k)
    for (std::int64_t u = 0; u < padded(units); u += L)
      store(to + u * all + (first + k) * L,
            k < depth && u < units ? load_upto(from + k * units, u, units) : Vec<T>{});
}

}  // namespace
}  // namespace gatewise
