// Where everything stands: packed weights, activations, the places of rows and steps.
#pragma once

#include <cstring>

#include "../api.h"
#include "functions.h"
#include "product.h"

namespace gatewise {
namespace {

// Elements of a range that belong to one of the threads that share it, in whole vectors.
struct Range {
  std::int64_t from, to;
};

template <class T>
inline Range part_of(const Share &share, std::int64_t width) {
  const std::int64_t vectors = width / LANES<T>;
  return {vectors * share.rank / share.size * LANES<T>,
          vectors * (share.rank + 1) / share.size * LANES<T>};
}

// Memory handed out piece by piece; from null it only counts.
template <class T>
struct Pieces {
  T *base;
  std::int64_t used = 0;

  T *take(std::int64_t count) {
    T *piece = base ? base + used : nullptr;
    used += padded(count);
    return piece;
  }
};

// Mean and 1 / deviation of what a layer norm sees, one after the other.
enum Statistic { OF_STATE = 0, OF_CANDIDATE = 2, OF_CELL = 4, STATISTICS = 6 };
constexpr double EPSILON = 1e-5;  // of layer norm

template <class T, Cell CELL>
struct Layout {
  static constexpr bool IS_COUPLED = CELL == Cell::lstm_coupled;
  static constexpr bool IS_LSTM = CELL == Cell::lstm || IS_COUPLED;
  static constexpr bool IS_BEFORE = CELL == Cell::gru_reset_before;
  static constexpr bool IS_GRU = CELL == Cell::gru || IS_BEFORE;
  // Blocks of the weights. The input makes the sums 0 to GATES - 1 and the state the sums from
  // STATE_FIRST on: lstm i f g o (coupled i g o), gru n r z u with u = U_n h + b, rnn one. A GRU
  // that resets before its product has n r z, and makes n's share of the state in a second product.
  static constexpr int GATES = CELL == Cell::lstm ? 4 : CELL == Cell::rnn ? 1 : 3;
  static constexpr int SUMS = CELL == Cell::gru ? 4 : GATES;
  static constexpr int STATE = IS_BEFORE ? 2 : GATES;
  static constexpr int STATE_FIRST = IS_GRU ? 1 : 0;
  static constexpr int PEEPHOLES = IS_COUPLED ? 2 : 3;
  static constexpr int L = LANES<T>;
  using V = Vec<T>;

  const Call<T> &call;
  const std::int64_t H, Hp, I, S, Sp, places;
  const bool has_norm, has_projection, has_inner;
  const bool has_options;  // any that change how sums become a state

  explicit Layout(const Call<T> &given)
      : call(given), H(given.units), Hp(padded(H)), I(given.inputs), S(given.outputs),
        Sp(padded(S)), places(given.steps * given.batch), has_norm(given.w_ln_hh),
        has_projection(given.w_hr), has_inner(has_projection || IS_BEFORE),
        has_options(given.w_peephole || given.w_ln_c || has_projection || given.identity ||
                    given.relu || given.keep_h || given.keep_c || given.zoneout_h != 0 ||
                    given.zoneout_c != 0) {}

  // Which block of the weights, in torch's order, makes the input's n-th sum; of the state the n-th
  // block makes this sum.
  static constexpr int input_block(int n) { return IS_GRU ? (n == 0 ? 2 : n - 1) : n; }
  static constexpr int state_sum(int block) {
    return IS_BEFORE && block == 2 ? 0 : STATE_FIRST + block;
  }

  // ---- packed: vectors of Hp elements, then the panels ----

  enum Vector {
    BIAS = 0,                     // of the sums, b_ih and b_hh together
    PEEPHOLE = BIAS + SUMS,
    GAIN_X = PEEPHOLE + 3,        // of layer norm, in the order of the sums
    SHIFT_X = GAIN_X + GATES,
    GAIN_H = SHIFT_X + GATES,     // in the order of the weights
    SHIFT_H = GAIN_H + GATES,
    GAIN_C = SHIFT_H + GATES,
    SHIFT_C,
    VECTORS
  };

  const T *vector(const T *packed, int which) const { return packed + which * Hp; }

  void pack_vectors(T *to) const {
    std::memset(to, 0, VECTORS * Hp * sizeof(T));
    const auto add = [&](int which, const T *from, int block) {
      for (std::int64_t u = 0; u < H && from; ++u) to[which * Hp + u] += from[block * H + u];
    };
    for (int n = 0; n < GATES; ++n) {
      add(BIAS + n, call.b_ih, input_block(n));
      add(BIAS + state_sum(n), call.b_hh, n);
      add(GAIN_X + n, call.w_ln_ih, input_block(n));
      add(SHIFT_X + n, call.b_ih, input_block(n));
      add(GAIN_H + n, call.w_ln_hh, n);
      add(SHIFT_H + n, call.b_hh, n);
    }
    for (int n = 0; n < PEEPHOLES && IS_LSTM; ++n) add(PEEPHOLE + n, call.w_peephole, n);
    add(GAIN_C, call.w_ln_c, 0);
    add(SHIFT_C, call.b_ln_c, 0);
  }

  // Forward: of the input, of the state, of the projection.
  std::int64_t vectors_size() const { return VECTORS * Hp; }
  std::int64_t input_size() const { return GATES * Hp * I; }
  std::int64_t state_size() const { return GATES * Hp * S; }
  std::int64_t projection_size() const { return has_projection ? Sp * H : 0; }
  std::int64_t forward_size() const {
    return vectors_size() + input_size() + state_size() + projection_size();
  }
  const T *input_panels(const T *packed) const { return packed + vectors_size(); }
  const T *state_panels(const T *packed) const { return input_panels(packed) + input_size(); }
  const T *projection_panels(const T *packed) const { return state_panels(packed) + state_size(); }

  void pack_forward(T *packed, int rank, int size) const {
    if (rank == 0) pack_vectors(packed);
    T *to = packed + vectors_size();
    for (int n = 0; n < GATES; ++n, to += Hp * I)
      pack_rows(to, call.w_ih + input_block(n) * H * I, H, Hp, I, rank, size);
    for (int n = 0; n < GATES; ++n, to += Hp * S)
      pack_rows(to, call.w_hh + n * H * S, H, Hp, S, rank, size);
    if (has_projection) pack_rows(to, call.w_hr, S, Sp, H, rank, size);
  }

  // Backward: from the sums' gradients to those of the state, the candidate's share of it, that of
  // what is projected, and that of the input.
  std::int64_t back_state_size() const { return Sp * STATE * Hp; }
  std::int64_t back_candidate_size() const { return IS_BEFORE ? Sp * Hp : 0; }
  std::int64_t back_projection_size() const { return has_projection ? Hp * Sp : 0; }
  std::int64_t back_input_size() const { return padded(I) * GATES * Hp; }
  std::int64_t backward_size() const {
    return vectors_size() + back_state_size() + back_candidate_size() + back_projection_size() +
           back_input_size();
  }
  const T *back_state_panels(const T *packed) const { return packed + vectors_size(); }
  const T *back_candidate_panels(const T *packed) const {
    return back_state_panels(packed) + back_state_size();
  }
  const T *back_projection_panels(const T *packed) const {
    return back_candidate_panels(packed) + back_candidate_size();
  }
  const T *back_input_panels(const T *packed) const {
    return back_projection_panels(packed) + back_projection_size();
  }

  void pack_backward(T *packed, int rank, int size) const {
    if (rank == 0) pack_vectors(packed);
    T *to = packed + vectors_size();
    for (int n = 0; n < STATE; ++n)
      pack_columns(to, call.w_hh + n * H * S, S, n * Hp, H, Hp, STATE * Hp, rank, size);
    to += back_state_size();
    if (IS_BEFORE) pack_columns(to, call.w_hh + 2 * H * S, S, 0, H, Hp, Hp, rank, size);
    to += back_candidate_size();
    if (has_projection) pack_columns(to, call.w_hr, H, 0, S, Sp, Sp, rank, size);
    to += back_projection_size();
    for (int n = 0; n < GATES; ++n)
      pack_columns(to, call.w_ih + input_block(n) * H * I, I, n * Hp, H, Hp, GATES * Hp, rank,
                   size);
  }

  // ---- activations: (T, B, ·) each ----

  struct Activations {
    T *gates;         // (SUMS, Hp): after their nonlinearity; u as it is; backward: gradients
    T *cells;         // (Hp): the lstm's c after the step
    T *inner;         // (Hp): what w_hr sees, or U_n where it resets before
    T *projected;     // (Sp): backward: the gradient of the projection's output
    T *raw_x, *raw_h; // (GATES, Hp): before layer norm; backward: gradients
    T *statistics_x;  // (2)
    T *statistics;    // (STATISTICS)
    std::int64_t size;
  };

  // Those of `rows` rows; from null, only their size.
  Activations activations(T *base, std::int64_t rows) const {
    Pieces<T> pieces{base};
    Activations a{};
    a.gates = pieces.take(rows * SUMS * Hp);
    a.cells = pieces.take(IS_LSTM ? rows * Hp : 0);
    a.inner = pieces.take(has_inner ? rows * Hp : 0);
    a.projected = pieces.take(has_projection ? rows * Sp : 0);
    a.raw_x = pieces.take(has_norm ? rows * GATES * Hp : 0);
    a.raw_h = pieces.take(has_norm ? rows * GATES * Hp : 0);
    a.statistics_x = pieces.take(has_norm ? rows * PAD : 0);
    a.statistics = pieces.take(has_norm ? rows * PAD : 0);
    a.size = pieces.used;
    return a;
  }

  // ---- rows and steps ----

  std::int64_t step_at(std::int64_t s) const { return call.reverse ? call.steps - 1 - s : s; }
  // Rows that take step t; they are the first, since the longest stand first.
  static std::int64_t active(const Rows &rows, std::int64_t t) {
    std::int64_t n = rows.count;
    while (n > 0 && rows.lengths[n - 1] <= t) --n;
    return n;
  }
  // Whether the state is cut before step t is taken.
  bool is_cut(std::int64_t t, std::int64_t row, std::int64_t length) const {
    if (!call.resets) return false;
    const std::int64_t flag = call.reverse ? t + 1 : t;
    return flag < length && call.resets[flag * call.batch + row];
  }
  bool is_first(std::int64_t t, std::int64_t length) const {
    return call.reverse ? t == length - 1 : t == 0;
  }
  std::int64_t place(std::int64_t t, std::int64_t row) const { return t * call.batch + row; }

  // The state before step t, as the step found it: (S) elements, or null for 0.
  const T *h_before(std::int64_t t, std::int64_t row, std::int64_t length) const {
    if (is_cut(t, row, length)) return call.initial_h;
    if (is_first(t, length)) return call.h_0 + row * S;
    return call.y + place(call.reverse ? t + 1 : t - 1, row) * S;
  }

  // ---- vectors ----

  static V load_or_0(const T *row, std::int64_t at, std::int64_t width) {
    return row && at < width ? load_upto(row, at, width) : V{};
  }

  // A mask's bits as 1 and 0, or everywhere the share where there is none.
  static V kept(const std::uint8_t *mask, T share, std::int64_t row, std::int64_t u,
                std::int64_t width) {
    if (!mask) return broadcast(share);
    if (u + L <= width) {
      Bytes<T> bytes;
      __builtin_memcpy(&bytes, mask + row * width + u, sizeof bytes);
      return __builtin_convertvector(bytes != 0 ? Bytes<T>{} + 1 : Bytes<T>{}, V);
    }
    T lanes[L] = {};
    const std::int64_t count = width - u < L ? width - u : L;
    for (std::int64_t k = 0; k < count; ++k) lanes[k] = mask[row * width + u + k] ? T(1) : T(0);
    return load<T>(lanes);
  }

  // Zoneout. A mask chooses, so that what is dropped may be NaN.
  static V zone(const std::uint8_t *mask, T share, V old, V made, std::int64_t row, std::int64_t u,
                std::int64_t width) {
    if (mask) return kept(mask, share, row, u, width) != 0 ? old : made;
    return share == 0 ? made : share * old + (1 - share) * made;
  }

  // Mean and 1 / deviation of `blocks` blocks of H elements.
  void statistics(const T *values, int blocks, T *to) const {
    const T count = T(blocks * H);
    const auto sum = [&](auto term) {
      V lanes = {};
      T rest = 0;
      for (int block = 0; block < blocks; ++block) {
        std::int64_t u = 0;
        for (; u + L <= H; u += L) lanes += term(load(values + block * Hp + u));
        for (; u < H; ++u) rest += term(broadcast(values[block * Hp + u]))[0];
      }
      return sum_of_lanes<T>(lanes) + rest;
    };
    const T mean = sum([](V v) { return v; }) / count;
    const T variance = sum([&](V v) { return (v - mean) * (v - mean); }) / count;
    to[0] = mean;
    to[1] = T(1) / T(__builtin_sqrt(variance + T(EPSILON)));
  }
};

}  // namespace
}  // namespace gatewise
