// From the gradient of a new state to those of the sums of all gates and of the old cell: the cells,
// with their options.
#pragma once

#include "layout.h"

namespace gatewise {
namespace {

// Sums over rows and steps that a backward gathers on its way, as vectors of Hp elements; that of
// initial_h, with Sp elements, stands last.
template <class T, Cell CELL>
struct RowSums {
  static constexpr int GATES = Layout<T, CELL>::GATES;
  enum Vector {
    PEEPHOLE = 0,
    GAIN_X = PEEPHOLE + 3,
    SHIFT_X = GAIN_X + GATES,
    GAIN_H = SHIFT_X + GATES,
    SHIFT_H = GAIN_H + GATES,
    GAIN_C = SHIFT_H + GATES,
    SHIFT_C,
    INITIAL_C,
    INITIAL_H
  };
};

template <class T, Cell CELL>
struct StateGradients : Layout<T, CELL> {
  using Base = Layout<T, CELL>;
  using Base::call, Base::H, Base::Hp, Base::S, Base::Sp, Base::L, Base::GATES, Base::SUMS;
  using Sum = RowSums<T, CELL>;
  using V = Vec<T>;

  struct Step {
    std::int64_t t, rows;
  };

  const Gradients<T> &grad;
  const T *packed;
  const Share &share;
  const Range units;  // of this thread
  const typename Base::Activations acts;

  T *sums;     // (INITIAL_H, Hp), (Sp)
  T *dh, *dc;  // (rows, Sp), (rows, Hp): between steps
  T *dinner;   // (rows, Hp): of h before it is projected
  T *cells;    // (rows, Hp): what the layer norm of c saw, then its gradient

  StateGradients(const Call<T> &call, const Gradients<T> &grad, const T *packed, const Share &share)
      : Base(call), grad(grad), packed(packed), share(share), units(part_of<T>(share, Hp)),
        acts(this->activations(call.activations, this->places)) {}

  std::int64_t place(const Step &at, std::int64_t r) const {
    return Base::place(at.t, share.rows.index[r]);
  }
  T *gates_of(const Step &at, std::int64_t r) const {
    return acts.gates + place(at, r) * SUMS * Hp;
  }
  T *raw_x_of(const Step &at, std::int64_t r) const {
    return acts.raw_x + place(at, r) * GATES * Hp;
  }
  T *raw_h_of(const Step &at, std::int64_t r) const {
    return acts.raw_h + place(at, r) * GATES * Hp;
  }
  T *statistics_of(const Step &at, std::int64_t r) const {
    return acts.statistics + place(at, r) * PAD;
  }
  const T *h_before(const Step &at, std::int64_t r) const {
    return Base::h_before(at.t, share.rows.index[r], share.rows.lengths[r]);
  }

  void add(T *sum, V value) const { store(sum, load(sum) + value); }
  void add_sum(int which, std::int64_t u, V value) const { add(sums + which * Hp + u, value); }

  // The gradient that reaches a row's h, less what zoneout hands on to the step before, which
  // stays in dh. OPTIONS: whether to ask for any.
  template <bool OPTIONS>
  GATEWISE_INLINE V arrived(const Step &at, std::int64_t r, std::int64_t u) const {
    const std::int64_t row = place(at, r);
    V given = load(dh + r * Sp + u), carried = {};
    if (grad.dy) given += Base::load_or_0(grad.dy + row * S, u, S);
    if (OPTIONS && (call.keep_h || call.zoneout_h != 0)) {
      carried = Base::kept(call.keep_h, call.zoneout_h, row, u, S) * given;
      given -= carried;
    }
    store(dh + r * Sp + u, carried);
    return given;
  }

  // Ask for what the next row will read, which no pattern foretells.
  void fetch_next(const Step &at, std::int64_t r, std::int64_t u) const {
    if (r + 1 == at.rows) return;
    const std::int64_t next = place(at, r + 1);
#pragma GCC unroll 4
    for (int n = 0; n < SUMS; ++n)
      __builtin_prefetch(acts.gates + (next * SUMS + n) * Hp + u, 1);
    if (grad.dy && u < S) __builtin_prefetch(grad.dy + next * S + u);
    if (Base::IS_LSTM) __builtin_prefetch(c_before(at, r + 1) + u);
  }

  template <bool OPTIONS>
  void row(const Step &at, std::int64_t r) {
    if constexpr (Base::IS_LSTM) lstm<OPTIONS>(at, r);
    else ungated<OPTIONS>(at, r);
  }

  template <bool OPTIONS>
  void ungated(const Step &at, std::int64_t r) {
    const T *before = Base::IS_GRU ? h_before(at, r) : nullptr;
    for (std::int64_t u = units.from; u < units.to; u += L) {
      T *gates = gates_of(at, r) + u;
      fetch_next(at, r, u);
      const V given = arrived<OPTIONS>(at, r, u), made = load(gates);
      if constexpr (Base::IS_GRU) {
        const V old = Base::load_or_0(before, u, S);
        const V reset = load(gates + Hp), update = load(gates + 2 * Hp);
        const V dmade = given * (T(1) - update) * (T(1) - made * made);
        add(dh + r * Sp + u, given * update);
        if constexpr (!Base::IS_BEFORE) {
          const V product = load(gates + 3 * Hp);
          store(gates + Hp, dmade * product * reset * (T(1) - reset));
          store(gates + 3 * Hp, dmade * reset);
        }
        store(gates, dmade);
        store(gates + 2 * Hp, given * (old - made) * update * (T(1) - update));
      } else {
        const bool is_relu = OPTIONS && call.relu;
        store(gates, is_relu ? (made <= 0 ? V{} : given) : given * (T(1) - made * made));
      }
    }
  }

  static constexpr int G = Base::IS_COUPLED ? 1 : 2, O = G + 1;

  // The cell before the step: (H) units, or null for 0.
  const T *c_before(const Step &at, std::int64_t r) const {
    const std::int64_t row = share.rows.index[r], length = share.rows.lengths[r];
    if (this->is_cut(at.t, row, length)) return call.initial_c;
    if (this->is_first(at.t, length)) return call.c_0 + row * H;
    return acts.cells + Base::place(call.reverse ? at.t + 1 : at.t - 1, row) * Hp;
  }
  V forget_of(const T *gates) const {
    if constexpr (Base::IS_COUPLED) return T(1) - load(gates);
    else return load(gates + Hp);
  }
  V peephole(int n, std::int64_t u) const {
    return load(this->vector(packed, Base::PEEPHOLE + n) + u);
  }
  // What the layer norm of c gave out.
  V normed(const Step &at, std::int64_t r, std::int64_t u, V cell) const {
    const T *statistics = statistics_of(at, r) + OF_CELL;
    return (cell - statistics[0]) * statistics[1] * load(this->vector(packed, Base::GAIN_C) + u) +
           load(this->vector(packed, Base::SHIFT_C) + u);
  }

  template <bool OPTIONS>
  void lstm(const Step &at, std::int64_t r) {
    const T *before = c_before(at, r);
    std::int64_t u = units.from;
    for (; u + 2 * L <= units.to; u += 2 * L) lstm_units<OPTIONS, 2>(at, r, u, before);
    if (u < units.to) lstm_units<OPTIONS, 1>(at, r, u, before);
  }

  // Some vectors of units at once: a single one leaves much to wait for.
  template <bool OPTIONS, int N>
  GATEWISE_INLINE void lstm_units(const Step &at, std::int64_t r, std::int64_t first,
                                  const T *before) {
    V given[N], old[N], d[N], carried[N], cell[N], shown[N];
#pragma GCC unroll 4
    for (int n = 0; n < N; ++n) {
      const std::int64_t u = first + n * L;
      const T *gates = gates_of(at, r) + u;
      fetch_next(at, r, u);
      const bool has_given = OPTIONS && (this->has_projection || call.w_ln_c);
      given[n] = has_given ? load(dinner + r * Hp + u) : arrived<OPTIONS>(at, r, u);
      old[n] = Base::load_or_0(before, u, H);
      d[n] = load(dc + r * Hp + u);
      carried[n] = V{};
      if (OPTIONS && (call.keep_c || call.zoneout_c != 0)) {
        carried[n] = Base::kept(call.keep_c, call.zoneout_c, place(at, r), u, H) * d[n];
        d[n] -= carried[n];
      }
      cell[n] = load(gates) * load(gates + G * Hp) + forget_of(gates) * old[n];
      shown[n] = OPTIONS && call.w_ln_c ? normed(at, r, u, cell[n]) : cell[n];
    }
    if (!OPTIONS || !call.identity) activate<0, N, T>(shown);
#pragma GCC unroll 4
    for (int n = 0; n < N; ++n) {
      const std::int64_t u = first + n * L;
      d[n] = lstm_output<OPTIONS>(at, r, u, given[n], shown[n], cell[n], d[n]);
      store(dc + r * Hp + u, lstm_cell<OPTIONS>(u, gates_of(at, r) + u, old[n], d[n]) + carried[n]);
    }
  }

  // The output gate; gives the gradient of the new cell.
  template <bool OPTIONS>
  GATEWISE_INLINE V lstm_output(const Step &at, std::int64_t r, std::int64_t u, V given, V shown,
                                V cell, V d) {
    T *gates = gates_of(at, r) + u;
    const V out = load(gates + O * Hp);
    const V dout = given * shown * out * (T(1) - out);
    if (OPTIONS && call.w_ln_c)
      d += load(cells + r * Hp + u);
    else
      d += OPTIONS && call.identity ? given * out : given * out * (T(1) - shown * shown);
    if (OPTIONS && call.w_peephole) {
      d += dout * peephole(O - 1, u);
      add_sum(Sum::PEEPHOLE + O - 1, u, dout * cell);
    }
    store(gates + O * Hp, dout);
    return d;
  }

  // The other gates; gives the gradient of the old cell.
  template <bool OPTIONS>
  GATEWISE_INLINE V lstm_cell(std::int64_t u, T *gates, V old, V d) {
    const V in = load(gates), candidate = load(gates + G * Hp), forget = forget_of(gates);
    V din, dforget = {};
    if constexpr (Base::IS_COUPLED) {
      din = d * (candidate - old) * in * forget;
    } else {
      din = d * candidate * in * (T(1) - in);
      dforget = d * old * forget * (T(1) - forget);
      store(gates + Hp, dforget);
    }
    store(gates, din);
    store(gates + G * Hp, d * in * (T(1) - candidate * candidate));
    d *= forget;
    if (OPTIONS && call.w_peephole) {
      d += din * peephole(0, u);
      add_sum(Sum::PEEPHOLE, u, din * old);
      if constexpr (!Base::IS_COUPLED) {
        d += dforget * peephole(1, u);
        add_sum(Sum::PEEPHOLE + 1, u, dforget * old);
      }
    }
    return d;
  }
};

}  // namespace
}  // namespace gatewise
