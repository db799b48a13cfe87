// From the sums of all gates to the new state: the cells, with their options.
#pragma once

#include "layout.h"

namespace gatewise {
namespace {

template <class T, Cell CELL>
struct NewState : Layout<T, CELL> {
  using Base = Layout<T, CELL>;
  using Base::call, Base::H, Base::Hp, Base::S, Base::Sp, Base::L, Base::SUMS;
  using V = Vec<T>;

  struct Step {
    std::int64_t s, t, rows;
    int turn;  // of the buffers that take turns; and of the way through the units
    std::int64_t slot;  // among the steps made ahead
  };

  const T *packed;
  const Share &share;
  T *h[2], *seen[2];  // (rows, Sp), by turns: the state, and as W_hh sees it
  T *c, *fresh_c;     // (rows, Hp); the latter before zoneout, for the layer norm of c
  typename Base::Activations kept;  // where a step's values go: scratch or the activations

  NewState(const Call<T> &call, const T *packed, const Share &share)
      : Base(call), packed(packed), share(share) {}

  // Where the values of a row in step t stand.
  std::int64_t spot(std::int64_t t, std::int64_t r) const {
    return call.activations ? this->place(t, share.rows.index[r]) : r;
  }

  // Turn the sums of some rows, (rows, SUMS, L), into their new state.
  __attribute__((noinline)) void gates(const Step &at, std::int64_t first, int rows, std::int64_t u,
                                       const T *sums) {
    if (this->has_options)
      states<true>(at, first, rows, u, sums);
    else
      states<false>(at, first, rows, u, sums);
  }

  // OPTIONS: whether to ask for any; some rows at once, since a single one leaves much to wait for.
  template <bool OPTIONS>
  void states(const Step &at, std::int64_t first, int rows, std::int64_t u, const T *sums) {
    for_tiles<3>(rows, [&]<int R>(std::int64_t r) {
      const T *of = sums + r * SUMS * L;
      if constexpr (Base::IS_LSTM) lstm<OPTIONS, R>(at, first + r, u, of);
      else if constexpr (Base::IS_GRU) gru<OPTIONS, R>(at, first + r, u, of);
      else rnn<OPTIONS, R>(at, first + r, u, of);
    });
  }

  GATEWISE_INLINE bool keeps_gates() const {
    return call.activations || Base::IS_BEFORE || call.w_ln_c;
  }

  GATEWISE_INLINE T *gates_of(const Step &at, std::int64_t r) const {
    return kept.gates + spot(at.t, r) * SUMS * Hp;
  }

  template <bool OPTIONS, int R>
  void lstm(const Step &at, std::int64_t first, std::int64_t u, const T *sums) {
    V shown[R], out[R];  // the cell as the output gate sees it, and the gate
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r)
      lstm_cell<OPTIONS>(at, first + r, u, sums + r * SUMS * L, shown[r], out[r]);
    if (OPTIONS && call.w_ln_c) return;
    if (!OPTIONS || !call.identity) activate<0, R, T>(shown);
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) hand_on<OPTIONS>(at, first + r, u, out[r] * shown[r]);
  }

  template <bool OPTIONS>
  GATEWISE_INLINE void lstm_cell(const Step &at, std::int64_t r, std::int64_t u, const T *sums,
                                 V &shown, V &gate) {
    constexpr int G = Base::IS_COUPLED ? 1 : 2, O = G + 1;
    const bool has_peephole = OPTIONS && call.w_peephole;
    const auto peephole = [&](int n) { return load(this->vector(packed, Base::PEEPHOLE + n) + u); };
    T *cell = c + r * Hp + u;
    const V old = load(cell);
    V values[] = {load(sums), load(sums + (G - 1) * L), load(sums + O * L), load(sums + G * L)};
    auto &[in, forget, out, candidate] = values;
    if (has_peephole) in += peephole(0) * old;
    if (has_peephole && !Base::IS_COUPLED) forget += peephole(1) * old;
    activate<3, 1, T>(values);
    if constexpr (Base::IS_COUPLED) forget = T(1) - in;
    shown = in * candidate + forget * old;
    if (has_peephole) out = sigmoid<T>(load(sums + O * L) + peephole(O - 1) * shown);
    gate = out;
    const std::int64_t row = this->place(at.t, share.rows.index[r]);
    const V zoned =
        OPTIONS ? Base::zone(call.keep_c, call.zoneout_c, old, shown, row, u, H) : shown;
    store(cell, zoned);
    if (OPTIONS && call.w_ln_c) store(fresh_c + r * Hp + u, shown);
    if (call.activations) store(kept.cells + row * Hp + u, zoned);
    if (!keeps_gates()) return;
    T *gates = gates_of(at, r) + u;
    store(gates, in);
    if constexpr (!Base::IS_COUPLED) store(gates + Hp, forget);
    store(gates + G * Hp, candidate);
    store(gates + O * Hp, out);
  }

  // The lstm's new h, or what its projection sees.
  template <bool OPTIONS>
  GATEWISE_INLINE void hand_on(const Step &at, std::int64_t r, std::int64_t u, V made) {
    if (OPTIONS && this->has_projection)
      store(kept.inner + spot(at.t, r) * Hp + u, made);
    else
      emit<OPTIONS>(at, r, u, made);
  }

  template <bool OPTIONS, int R>
  void gru(const Step &at, std::int64_t first, std::int64_t u, const T *sums) {
    V gate[2 * R], candidate[R];  // reset and update of each row
#pragma GCC unroll 8
    for (int k = 0; k < 2 * R; ++k) gate[k] = load(sums + (k / 2 * SUMS + 1 + k % 2) * L);
    activate<2 * R, 0, T>(gate);
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
      const T *sum = sums + r * SUMS * L;
      T *gates = gates_of(at, first + r) + u;
      candidate[r] = load(sum);
      if (keeps_gates()) {
        store(gates + Hp, gate[2 * r]);
        store(gates + 2 * Hp, gate[2 * r + 1]);
      }
      if constexpr (Base::IS_BEFORE) {
        store(gates, candidate[r]);
        store(kept.inner + spot(at.t, first + r) * Hp + u,
              gate[2 * r] * load(seen[at.turn] + (first + r) * Sp + u));
      } else {
        const V product = load(sum + 3 * L);
        if (keeps_gates()) store(gates + 3 * Hp, product);
        candidate[r] += gate[2 * r] * product;
      }
    }
    if constexpr (!Base::IS_BEFORE) {
      activate<0, R, T>(candidate);
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) mix<OPTIONS>(at, first + r, u, candidate[r], gate[2 * r + 1]);
    }
  }

  // The gru's new h.
  template <bool OPTIONS>
  GATEWISE_INLINE void mix(const Step &at, std::int64_t r, std::int64_t u, V candidate, V update) {
    if (keeps_gates()) store(gates_of(at, r) + u, candidate);
    emit<OPTIONS>(at, r, u,
                  (T(1) - update) * candidate + update * load(h[at.turn] + r * Sp + u));
  }

  template <bool OPTIONS, int R>
  void rnn(const Step &at, std::int64_t first, std::int64_t u, const T *sums) {
    V made[R];
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) made[r] = load(sums + r * L);
    if (!OPTIONS || !call.relu) activate<0, R, T>(made);
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
      if (OPTIONS && call.relu) made[r] = made[r] < 0 ? V{} : made[r];
      if (keeps_gates()) store(gates_of(at, first + r) + u, made[r]);
      emit<OPTIONS>(at, first + r, u, made[r]);
    }
  }

  // The new h of a row: zoned, kept and given out.
  template <bool OPTIONS>
  GATEWISE_INLINE void emit(const Step &at, std::int64_t r, std::int64_t u, V made) {
    const std::int64_t row = this->place(at.t, share.rows.index[r]);
    if (OPTIONS)
      made = Base::zone(call.keep_h, call.zoneout_h, load(h[at.turn] + r * Sp + u), made, row, u, S);
    store(h[1 - at.turn] + r * Sp + u, made);
    if (u < S) store_upto(call.y + row * S, u, S, made);
  }
};

}  // namespace
}  // namespace gatewise
