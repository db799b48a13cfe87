// The backward recurrence: from the gradients of what came out to those of all sums before their
// nonlinearity, written over the activations, and of the state.
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
struct Backward : Layout<T, CELL> {
  using Base = Layout<T, CELL>;
  using Base::call, Base::H, Base::Hp, Base::S, Base::Sp, Base::L;
  using Base::GATES, Base::SUMS, Base::STATE, Base::STATE_FIRST;
  using Sum = RowSums<T, CELL>;
  using V = Vec<T>;

  const Gradients<T> &grad;
  const T *packed;
  const Share &share;
  const Range units, outputs;  // of this thread
  const std::int64_t count;    // rows
  const bool is_optioned;      // see has_options
  const typename Base::Activations acts;

  T *sums;           // (INITIAL_H, Hp), (Sp)
  T *dh, *dc;        // (rows, Sp), (rows, Hp): between steps
  T *dinner;         // (rows, Hp): of h before it is projected
  T *cells, *dcells; // (rows, Hp): what the layer norm of c saw, then its gradient; of its output
  T *means;          // (rows, PAD): of a layer norm's gradient

  Backward(const Call<T> &call, const Gradients<T> &grad, const T *packed, const Share &share,
           T *scratch)
      : Base(call), grad(grad), packed(packed), share(share), units(part_of<T>(share, Hp)),
        outputs(part_of<T>(share, Sp)), count(share.rows.count), is_optioned(this->has_options()),
        acts(this->activations(call.activations, this->places)) {
    divide(scratch);
  }

  std::int64_t divide(T *scratch) {
    Pieces<T> pieces{scratch};
    sums = pieces.take(sums_size(*this));
    dh = pieces.take(count * Sp);
    dc = pieces.take(Base::IS_LSTM ? count * Hp : 0);
    dinner = pieces.take(this->has_projection || call.w_ln_c ? count * Hp : 0);
    cells = pieces.take(call.w_ln_c ? count * Hp : 0);
    dcells = pieces.take(call.w_ln_c ? count * Hp : 0);
    means = pieces.take(this->has_norm ? count * PAD : 0);
    return pieces.used;
  }

  static std::int64_t sums_size(const Base &layout) {
    return Sum::INITIAL_H * layout.Hp + layout.Sp;
  }

  void run() {
    begin();
    for (std::int64_t s = call.steps - 1; s >= 0; --s) {
      const std::int64_t t = this->step_at(s);
      step({t, this->active(share.rows, t)});
    }
    for (std::int64_t r = 0; r < count; ++r) {
      const std::int64_t row = share.rows.index[r];
      for (std::int64_t u = outputs.from; u < outputs.to && u < S; u += L)
        store_upto(grad.dh_0 + row * S, u, S, load(dh + r * Sp + u));
      for (std::int64_t u = units.from; u < units.to && u < H && Base::IS_LSTM; u += L)
        store_upto(grad.dc_0 + row * H, u, H, load(dc + r * Hp + u));
    }
  }

  void begin() {
    for (int n = 0; n < Sum::INITIAL_H; ++n)
      for (std::int64_t u = units.from; u < units.to; u += L) store(sums + n * Hp + u, V{});
    for (std::int64_t u = outputs.from; u < outputs.to; u += L)
      store(sums + Sum::INITIAL_H * Hp + u, V{});
    for (std::int64_t r = 0; r < count; ++r) {
      const std::int64_t row = share.rows.index[r];
      for (std::int64_t u = outputs.from; u < outputs.to; u += L)
        store(dh + r * Sp + u, Base::load_or_0(grad.dh_n ? grad.dh_n + row * S : nullptr, u, S));
      for (std::int64_t u = units.from; u < units.to && Base::IS_LSTM; u += L)
        store(dc + r * Hp + u, Base::load_or_0(grad.dc_n ? grad.dc_n + row * H : nullptr, u, H));
    }
  }

  struct Step {
    std::int64_t t, rows;
  };

  std::int64_t place(const Step &at, std::int64_t r) const {
    return Base::place(at.t, share.rows.index[r]);
  }
  T *gates_of(const Step &at, std::int64_t r) const { return acts.gates + place(at, r) * SUMS * Hp; }
  T *raw_x_of(const Step &at, std::int64_t r) const { return acts.raw_x + place(at, r) * GATES * Hp; }
  T *raw_h_of(const Step &at, std::int64_t r) const { return acts.raw_h + place(at, r) * GATES * Hp; }
  T *statistics_of(const Step &at, std::int64_t r) const { return acts.statistics + place(at, r) * PAD; }
  const T *h_before(const Step &at, std::int64_t r) const {
    return Base::h_before(at.t, share.rows.index[r], share.rows.lengths[r]);
  }

  void step(const Step &at) {
    if (this->has_projection) project(at);
    if (call.w_ln_c) normalised_cells(at);
    for (std::int64_t r = 0; r < at.rows; ++r) {
      is_optioned ? row<true>(at, r) : row<false>(at, r);
      clear_fill(gates_of(at, r), SUMS);
    }
    if constexpr (Base::IS_BEFORE) candidates(at);
    if (this->has_norm) {
      norm_back(at, GATES, [&](std::int64_t r) { return gates_of(at, r); },
                [&](std::int64_t r) { return raw_x_of(at, r); },
                [&](std::int64_t r) { return acts.statistics_x + place(at, r) * PAD; },
                Base::GAIN_X, Sum::GAIN_X, Sum::SHIFT_X);
      norm_back(at, STATE, [&](std::int64_t r) { return gates_of(at, r) + STATE_FIRST * Hp; },
                [&](std::int64_t r) { return raw_h_of(at, r); },
                [&](std::int64_t r) { return statistics_of(at, r) + OF_STATE; }, Base::GAIN_H,
                Sum::GAIN_H, Sum::SHIFT_H);
    }
    share.wait();
    multiply(at.rows,
             [&](std::int64_t r) {
               return this->has_norm ? raw_h_of(at, r) : gates_of(at, r) + STATE_FIRST * Hp;
             },
             STATE * Hp, this->back_state_panels(packed), outputs.from, outputs.to, at.t % 2,
             [&](std::int64_t r, std::int64_t u, V sum) {
               add(dh + r * Sp + u, masked(r, u, sum));
             });
    for (std::int64_t r = 0; r < at.rows && call.resets; ++r)
      if (this->is_cut(at.t, share.rows.index[r], share.rows.lengths[r])) cut(r);
  }

  void cut(std::int64_t r) {
    const auto move = [](T *sum, T *from) {
      store(sum, load(sum) + load(from));
      store(from, V{});
    };
    for (std::int64_t u = outputs.from; u < outputs.to; u += L)
      move(sums + Sum::INITIAL_H * Hp + u, dh + r * Sp + u);
    for (std::int64_t u = units.from; u < units.to && Base::IS_LSTM; u += L)
      move(sums + Sum::INITIAL_C * Hp + u, dc + r * Hp + u);
  }

  // What W_hh saw goes through the recurrent mask; the rest of a vector is 0.
  V masked(std::int64_t r, std::int64_t u, V value) const {
    if (!call.recurrent_mask) return value;
    return value * Base::load_or_0(call.recurrent_mask + share.rows.index[r] * S, u, S);
  }

  void add(T *sum, V value) const { store(sum, load(sum) + value); }
  void add_sum(int which, std::int64_t u, V value) const { add(sums + which * Hp + u, value); }

  // Units that only fill up a vector may hold NaN where the input is infinite.
  void clear_fill(T *blocks, int number) const {
    if (units.to < Hp) return;
    for (int n = 0; n < number; ++n)
      for (std::int64_t u = H; u < Hp; ++u) blocks[n * Hp + u] = 0;
  }

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

  void project(const Step &at) {
    for (std::int64_t r = 0; r < at.rows; ++r)
      for (std::int64_t u = outputs.from; u < outputs.to; u += L)
        store(acts.projected + place(at, r) * Sp + u, u < S ? arrived<true>(at, r, u) : V{});
    share.wait();
    multiply(at.rows, [&](std::int64_t r) { return acts.projected + place(at, r) * Sp; }, Sp,
             this->back_projection_panels(packed), units.from, units.to, at.t % 2,
             [&](std::int64_t r, std::int64_t u, V sum) { store(dinner + r * Hp + u, sum); });
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

  // ---- lstm ----

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

  // Leaves in `cells` the gradient of c through its layer norm, and in `dcells` that of h before o.
  void normalised_cells(const Step &at) {
    for (std::int64_t r = 0; r < at.rows; ++r) {
      const T *before = c_before(at, r);
      for (std::int64_t u = units.from; u < units.to; u += L) {
        const T *gates = gates_of(at, r) + u;
        const V old = Base::load_or_0(before, u, H);
        const V cell = load(gates) * load(gates + G * Hp) + forget_of(gates) * old;
        if (!this->has_projection) store(dinner + r * Hp + u, arrived<true>(at, r, u));
        const V given = load(dinner + r * Hp + u);
        const V shown = call.identity ? V{} : tangent<T>(normed(at, r, u, cell));
        store(cells + r * Hp + u, cell);
        store(dcells + r * Hp + u, given * load(gates + O * Hp) * (T(1) - shown * shown));
      }
    }
    norm_back(at, 1, [&](std::int64_t r) { return dcells + r * Hp; },
              [&](std::int64_t r) { return cells + r * Hp; },
              [&](std::int64_t r) { return statistics_of(at, r) + OF_CELL; }, Base::GAIN_C,
              Sum::GAIN_C, Sum::SHIFT_C);
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

  // ---- what waits for all units of a row ----

  // Through a layer norm: from the gradient of what it gave out, d_of(r), to that of what it saw,
  // written over the latter, raw_of(r).
  template <class Given, class Raw, class Statistics>
  void norm_back(const Step &at, int blocks, const Given &d_of, const Raw &raw_of,
                 const Statistics &statistics_of, int gain, int gain_sum, int shift_sum) {
    for (std::int64_t r = 0; r < at.rows; ++r)
      for (int n = 0; n < blocks; ++n)
        for (std::int64_t u = units.from; u < units.to; u += L) {
          const T *statistics = statistics_of(r);
          const V d = load(d_of(r) + n * Hp + u);
          const V raw = (load(raw_of(r) + n * Hp + u) - statistics[0]) * statistics[1];
          add_sum(shift_sum + n, u, d);
          add_sum(gain_sum + n, u, d * raw);
        }
    share.wait();
    for (std::int64_t r = share.rank; r < at.rows; r += share.size)
      mean_gradient(blocks, d_of(r), raw_of(r), statistics_of(r), gain, means + r * PAD);
    share.wait();
    for (std::int64_t r = 0; r < at.rows; ++r) {
      const T *statistics = statistics_of(r), *mean = means + r * PAD;
      for (int n = 0; n < blocks; ++n)
        for (std::int64_t u = units.from; u < units.to; u += L) {
          T *place = raw_of(r) + n * Hp + u;
          const V raw = (load(place) - statistics[0]) * statistics[1];
          const V d = load(d_of(r) + n * Hp + u) * load(this->vector(packed, gain + n) + u);
          store(place, statistics[1] * (d - mean[0] - raw * mean[1]));
        }
      clear_fill(raw_of(r), blocks);
    }
  }

  // Means over all units of the gradient of what is normalised, and of its product with that.
  void mean_gradient(int blocks, const T *d, const T *raw, const T *statistics, int gain,
                     T *to) const {
    V first = {}, second = {};
    for (int n = 0; n < blocks; ++n)
      for (std::int64_t u = 0; u < H; u += L) {
        const V value = Base::load_or_0(d + n * Hp, u, H) *
                        load(this->vector(packed, gain + n) + u);
        first += value;
        second += value * (load(raw + n * Hp + u) - statistics[0]) * statistics[1];
      }
    to[0] = sum_of_lanes<T>(first) / T(blocks * H);
    to[1] = sum_of_lanes<T>(second) / T(blocks * H);
  }

  // The GRU's second product: n's gradient reaches h, and r's gate, through it.
  void candidates(const Step &at) {
    if (this->has_norm)
      norm_back(at, 1, [&](std::int64_t r) { return gates_of(at, r); },
                [&](std::int64_t r) { return raw_h_of(at, r) + 2 * Hp; },
                [&](std::int64_t r) { return statistics_of(at, r) + OF_CANDIDATE; },
                Base::GAIN_H + 2, Sum::GAIN_H + 2, Sum::SHIFT_H + 2);
    share.wait();
    multiply(at.rows,
             [&](std::int64_t r) {
               return this->has_norm ? raw_h_of(at, r) + 2 * Hp : gates_of(at, r);
             },
             Hp, this->back_candidate_panels(packed), units.from, units.to, at.t % 2,
             [&](std::int64_t r, std::int64_t u, V sum) {
               T *place = gates_of(at, r) + Hp + u;
               const V reset = load(place), old = Base::load_or_0(h_before(at, r), u, H);
               store(place, masked(r, u, sum * old) * reset * (T(1) - reset));
               add(dh + r * Sp + u, masked(r, u, sum * reset));
             });
    for (std::int64_t r = 0; r < at.rows; ++r) clear_fill(gates_of(at, r) + Hp, 1);
  }
};

}  // namespace
}  // namespace gatewise
