// The backward recurrence: from the gradients of what came out to those of all sums before their
// nonlinearity, written over the activations, and of the state.
#pragma once

#include "state_gradients.h"

namespace gatewise {
namespace {

template <class T, Cell CELL>
struct Backward : StateGradients<T, CELL> {
  using Base = StateGradients<T, CELL>;
  using Base::call, Base::H, Base::Hp, Base::S, Base::Sp, Base::L, Base::G, Base::O;
  using Base::GATES, Base::SUMS, Base::STATE, Base::STATE_FIRST;
  using Base::grad, Base::packed, Base::share, Base::units, Base::acts;
  using Base::sums, Base::dh, Base::dc, Base::dinner, Base::cells;
  using Base::add, Base::add_sum, Base::gates_of, Base::h_before, Base::place, Base::statistics_of;
  using typename Base::Step;
  using Sum = RowSums<T, CELL>;
  using V = Vec<T>;

  const Range outputs;       // of this thread
  const std::int64_t count;  // rows

  T *dcells;  // (rows, Hp): of what the layer norm of c gave out
  T *means;   // (rows, PAD): of a layer norm's gradient

  Backward(const Call<T> &call, const Gradients<T> &grad, const T *packed, const Share &share,
           T *scratch)
      : Base(call, grad, packed, share), outputs(part_of<T>(share, Sp)), count(share.rows.count) {
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

  static std::int64_t sums_size(const Layout<T, CELL> &layout) {
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

  void step(const Step &at) {
    if (this->has_projection) project(at);
    if (call.w_ln_c) normalised_cells(at);
    for (std::int64_t r = 0; r < at.rows; ++r) {
      this->has_options ? this->template row<true>(at, r) : this->template row<false>(at, r);
      clear_fill(gates_of(at, r), SUMS);
    }
    if constexpr (Base::IS_BEFORE) candidates(at);
    if (this->has_norm) {
      norm_back(at, GATES, [&](std::int64_t r) { return gates_of(at, r); },
                [&](std::int64_t r) { return this->raw_x_of(at, r); },
                [&](std::int64_t r) { return acts.statistics_x + place(at, r) * PAD; },
                Base::GAIN_X, Sum::GAIN_X, Sum::SHIFT_X);
      norm_back(at, STATE, [&](std::int64_t r) { return gates_of(at, r) + STATE_FIRST * Hp; },
                [&](std::int64_t r) { return this->raw_h_of(at, r); },
                [&](std::int64_t r) { return statistics_of(at, r) + OF_STATE; }, Base::GAIN_H,
                Sum::GAIN_H, Sum::SHIFT_H);
    }
    share.wait();
    multiply(at.rows,
             [&](std::int64_t r) {
               return this->has_norm ? this->raw_h_of(at, r) : gates_of(at, r) + STATE_FIRST * Hp;
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

  // Units that only fill up a vector may hold NaN where the input is infinite.
  void clear_fill(T *blocks, int number) const {
    if (units.to < Hp) return;
    for (int n = 0; n < number; ++n)
      for (std::int64_t u = H; u < Hp; ++u) blocks[n * Hp + u] = 0;
  }

  void project(const Step &at) {
    for (std::int64_t r = 0; r < at.rows; ++r)
      for (std::int64_t u = outputs.from; u < outputs.to; u += L)
        store(acts.projected + place(at, r) * Sp + u, u < S ? this->template arrived<true>(at, r, u) : V{});
    share.wait();
    multiply(at.rows, [&](std::int64_t r) { return acts.projected + place(at, r) * Sp; }, Sp,
             this->back_projection_panels(packed), units.from, units.to, at.t % 2,
             [&](std::int64_t r, std::int64_t u, V sum) { store(dinner + r * Hp + u, sum); });
  }

  // Leaves in `cells` the gradient of c through its layer norm, and in `dcells` that of h before o.
  void normalised_cells(const Step &at) {
    for (std::int64_t r = 0; r < at.rows; ++r) {
      const T *before = this->c_before(at, r);
      for (std::int64_t u = units.from; u < units.to; u += L) {
        const T *gates = gates_of(at, r) + u;
        const V old = Base::load_or_0(before, u, H);
        const V cell = load(gates) * load(gates + G * Hp) + this->forget_of(gates) * old;
        if (!this->has_projection) store(dinner + r * Hp + u, this->template arrived<true>(at, r, u));
        const V given = load(dinner + r * Hp + u);
        const V shown = call.identity ? V{} : tangent<T>(this->normed(at, r, u, cell));
        store(cells + r * Hp + u, cell);
        store(dcells + r * Hp + u, given * load(gates + O * Hp) * (T(1) - shown * shown));
      }
    }
    norm_back(at, 1, [&](std::int64_t r) { return dcells + r * Hp; },
              [&](std::int64_t r) { return cells + r * Hp; },
              [&](std::int64_t r) { return statistics_of(at, r) + OF_CELL; }, Base::GAIN_C,
              Sum::GAIN_C, Sum::SHIFT_C);
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
                [&](std::int64_t r) { return this->raw_h_of(at, r) + 2 * Hp; },
                [&](std::int64_t r) { return statistics_of(at, r) + OF_CANDIDATE; },
                Base::GAIN_H + 2, Sum::GAIN_H + 2, Sum::SHIFT_H + 2);
    share.wait();
    multiply(at.rows,
             [&](std::int64_t r) {
               return this->has_norm ? this->raw_h_of(at, r) + 2 * Hp : gates_of(at, r);
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
