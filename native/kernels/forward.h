// The forward recurrence.
//
// In each step a thread goes through its units, a vector at a time, and through its rows, a tile at
// a time: the sums of all gates of a tile are made in registers, from the input and from the state
// before, and become the new state at once. What needs all units of a row before it can go on
// (layer norm, a second product) waits for the other threads first.
#pragma once

#include "state.h"

namespace gatewise {
namespace {

template <class T, Cell CELL>
struct Forward : NewState<T, CELL> {
  using Base = NewState<T, CELL>;
  using Base::call, Base::H, Base::Hp, Base::I, Base::S, Base::Sp, Base::L;
  using Base::GATES, Base::SUMS, Base::STATE, Base::STATE_FIRST;
  using Base::packed, Base::share, Base::h, Base::seen, Base::c, Base::fresh_c, Base::kept;
  using Base::gates_of, Base::spot;
  using typename Base::Step;
  using V = Vec<T>;

  static constexpr int ROWS = TILE_ROWS<SUMS>;
  // The input's products are made ahead, for some steps at once, where a step has so few rows that
  // reading the weights would cost more than the products.
  static constexpr std::int64_t FEW_ROWS = 4, ROWS_AHEAD = 48;

  const Range units, outputs;  // of this thread
  const std::int64_t count;    // rows
  const bool is_ahead;
  const std::int64_t steps_ahead;

  T *ahead;                // (steps_ahead, rows, GATES, Hp)
  typename Base::Activations kept_x;  // where the values of the input go

  Forward(const Call<T> &call, const T *packed, const Share &share, T *scratch)
      : Base(call, packed, share), units(part_of<T>(share, Hp)),
        outputs(part_of<T>(share, Sp)), count(share.rows.count),
        is_ahead(this->has_norm || (count < FEW_ROWS && call.steps > 1)),
        steps_ahead(!is_ahead ? 0 : count >= ROWS_AHEAD ? 1 : ROWS_AHEAD / (count ? count : 1)) {
    divide(scratch);
  }

  std::int64_t divide(T *scratch) {
    Pieces<T> pieces{scratch};
    for (int k = 0; k < 2; ++k) h[k] = pieces.take(count * Sp);
    for (int k = 0; k < 2; ++k) seen[k] = call.recurrent_mask ? pieces.take(count * Sp) : h[k];
    c = pieces.take(Base::IS_LSTM ? count * Hp : 0);
    fresh_c = pieces.take(call.w_ln_c ? count * Hp : 0);
    ahead = pieces.take(this->has_norm ? 0 : steps_ahead * count * GATES * Hp);
    if (call.activations) {
      kept_x = kept = this->activations(call.activations, this->places);
    } else {
      kept_x = this->activations(pieces.base ? pieces.base + pieces.used : nullptr,
                                 this->has_norm ? steps_ahead * count : 0);
      pieces.take(kept_x.size);
      kept = this->activations(pieces.base ? pieces.base + pieces.used : nullptr, count);
      pieces.take(kept.size);
    }
    return pieces.used;
  }

  // Where the values of a row stand that are made ahead, with room for some steps.
  std::int64_t spot_ahead(std::int64_t s, std::int64_t r) const {
    return s % steps_ahead * count + r;
  }
  std::int64_t spot_x(std::int64_t s, std::int64_t r) const {
    return call.activations ? spot(this->step_at(s), r) : spot_ahead(s, r);
  }

  void run() {
    for (std::int64_t r = 0; r < count; ++r) begin_row(r);
    share.wait();
    for (std::int64_t s = 0; s < call.steps; ++s) {
      if (is_ahead && s % steps_ahead == 0) look_ahead(s);
      step(s);
      share.wait();
    }
    for (std::int64_t r = 0; r < count; ++r) end_row(r);
  }

  void begin_row(std::int64_t r) {
    const std::int64_t row = share.rows.index[r], length = share.rows.lengths[r];
    const std::int64_t t = call.reverse ? length - 1 : 0;
    const bool cut = length > 0 && this->is_cut(t, row, length);
    const int turn = call.reverse ? (call.steps - length) % 2 : 0;
    set_state(r, turn, cut ? call.initial_h : call.h_0 + row * S,
              cut ? call.initial_c : call.c_0 ? call.c_0 + row * H : nullptr);
    if (length > 0) show(r, turn);
  }

  void set_state(std::int64_t r, int turn, const T *from_h, const T *from_c) {
    for (std::int64_t u = outputs.from; u < outputs.to; u += L)
      store(h[turn] + r * Sp + u, Base::load_or_0(from_h, u, S));
    for (std::int64_t u = units.from; u < units.to && Base::IS_LSTM; u += L)
      store(c + r * Hp + u, Base::load_or_0(from_c, u, H));
  }

  // Make what W_hh sees of the state.
  void show(std::int64_t r, int turn) {
    if (!call.recurrent_mask) return;
    const T *mask = call.recurrent_mask + share.rows.index[r] * S;
    for (std::int64_t u = outputs.from; u < outputs.to; u += L)
      store(seen[turn] + r * Sp + u,
            Base::load_or_0(mask, u, S) * load(h[turn] + r * Sp + u));
  }

  void end_row(std::int64_t r) {
    const std::int64_t row = share.rows.index[r];
    const std::int64_t turn = (call.reverse ? call.steps : share.rows.lengths[r]) % 2;
    for (std::int64_t u = outputs.from; u < outputs.to && u < S; u += L)
      store_upto(call.h_n + row * S, u, S, load(h[turn] + r * Sp + u));
    for (std::int64_t u = units.from; u < units.to && u < H && Base::IS_LSTM; u += L)
      store_upto(call.c_n + row * H, u, H, load(c + r * Hp + u));
  }

  // ---- the input's share, for some steps ----

  void look_ahead(std::int64_t first) {
    const T *from[ROWS_AHEAD];
    T *to[ROWS_AHEAD];
    std::int64_t n = 0;
    const std::int64_t end = first + steps_ahead < call.steps ? first + steps_ahead : call.steps;
    const auto flush = [&] {
      for (int g = 0; g < GATES; ++g)
        multiply(n, [&](std::int64_t k) { return from[k]; }, I,
                 this->input_panels(packed) + g * Hp * I, units.from, units.to, false,
                 [&](std::int64_t k, std::int64_t u, V sum) {
                   if (!this->has_norm) sum += bias(g, u);
                   store(to[k] + g * Hp + u, sum);
                 });
      n = 0;
    };
    for (std::int64_t s = first; s < end; ++s) {
      const std::int64_t t = this->step_at(s), rows = this->active(share.rows, t);
      for (std::int64_t r = 0; r < rows; ++r) {
        from[n] = call.x + this->place(t, share.rows.index[r]) * I;
        to[n] = this->has_norm ? kept_x.raw_x + spot_x(s, r) * GATES * Hp
                               : ahead + spot_ahead(s, r) * GATES * Hp;
        if (++n == ROWS_AHEAD) flush();
      }
    }
    flush();
    if (!this->has_norm) return;
    share.wait();
    for (std::int64_t s = first; s < end; ++s)
      for (std::int64_t r = share.rank; r < this->active(share.rows, this->step_at(s));
           r += share.size)
        this->statistics(kept_x.raw_x + spot_x(s, r) * GATES * Hp, GATES,
                         kept_x.statistics_x + spot_x(s, r) * PAD);
    share.wait();
  }

  // ---- a step ----

  void step(std::int64_t s) {
    const std::int64_t t = this->step_at(s);
    const Step at{s, t, this->active(share.rows, t), int(s % 2),
                  is_ahead ? s % steps_ahead * count : 0};
    if (this->has_norm)
      normalised(at);
    else
      for (std::int64_t k = 0; k < units.to - units.from; k += L) {
        // Turned round every time: the weights used last are still in the cache.
        const std::int64_t u = at.turn ? units.to - L - k : units.from + k;
        for_tiles<ROWS>(at.rows, [&]<int R>(std::int64_t first) { tile<R>(at, first, u); });
      }
    if constexpr (Base::IS_BEFORE) candidates(at);
    if (call.w_ln_c) normalised_cells(at);
    if (this->has_projection) project(at);
    for (std::int64_t r = 0; r < at.rows; ++r) end_step(at, r);
    for (std::int64_t r = at.rows; r < count; ++r)
      for (std::int64_t u = outputs.from; u < outputs.to && u < S; u += L)
        store_upto(call.y + this->place(t, share.rows.index[r]) * S, u, S, V{});
  }

  // Rows that are cut before their next step begin anew.
  void end_step(const Step &at, std::int64_t r) {
    const std::int64_t next = call.reverse ? at.t - 1 : at.t + 1;
    if (next >= 0 && this->is_cut(next, share.rows.index[r], share.rows.lengths[r]))
      set_state(r, 1 - at.turn, call.initial_h, call.initial_c);
    show(r, 1 - at.turn);
  }

  V bias(int n, std::int64_t u) const { return load(this->vector(packed, Base::BIAS + n) + u); }

  template <int R>
  void tile(const Step &at, std::int64_t first, std::int64_t u) {
    V sums[R][SUMS];
    const T *inputs[R], *states[R];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      inputs[r] = call.x + this->place(at.t, share.rows.index[first + r]) * I;
      states[r] = seen[at.turn] + (first + r) * Sp;
      const T *made = ahead + (at.slot + first + r) * GATES * Hp + u;
#pragma GCC unroll 4
      for (int n = 0; n < SUMS; ++n)
        sums[r][n] = n >= GATES ? bias(n, u) : is_ahead ? load(made + n * Hp) : V{};
    }
    if (call.activations) fetch_places<R>(at, first, u);
    if (!is_ahead) {
      accumulate<0, GATES, T>(sums, [&](int r, std::int64_t k) { return inputs[r][k]; },
                              this->input_panels(packed) + u * I, Hp * I, I);
      // After the products, as in what is made ahead: a row has the same bits in any batch.
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int n = 0; n < GATES; ++n) sums[r][n] += bias(n, u);
    }
    accumulate<STATE_FIRST, STATE, T>(sums, [&](int r, std::int64_t k) { return states[r][k]; },
                                      this->state_panels(packed) + u * S, Hp * S, S);
    // Once in memory: an array that is indexed by a variable would not stay in registers above.
    alignas(64) T made[R][SUMS * L];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
      for (int n = 0; n < SUMS; ++n) store(&made[r][n * L], sums[r][n]);
    this->gates(at, first, R, u, &made[0][0]);
  }

  // Ask for the memory that a tile will write to, which no pattern foretells, while it is made.
  template <int R>
  GATEWISE_INLINE void fetch_places(const Step &at, std::int64_t first, std::int64_t u) const {
    for (int r = 0; r < R; ++r) {
      const std::int64_t place = spot(at.t, first + r);
#pragma GCC unroll 4
      for (int n = 0; n < SUMS; ++n)
        __builtin_prefetch(kept.gates + (place * SUMS + n) * Hp + u, 1);
      if constexpr (Base::IS_LSTM) __builtin_prefetch(kept.cells + place * Hp + u, 1);
    }
  }

  // ---- what waits for all units of a row ----

  void normalised(const Step &at) {
    raw_products(at, 0, STATE, seen[at.turn], Sp, S);
    each_of_mine(at, [&](std::int64_t r) {
      this->statistics(raw_of(at, r), STATE, statistics_of(at, r) + OF_STATE);
    });
    alignas(64) T sums[ROWS * SUMS * L];
    for (std::int64_t first = 0; first < at.rows; first += ROWS) {
      const int rows = int(at.rows - first < ROWS ? at.rows - first : ROWS);
      for (std::int64_t u = units.from; u < units.to; u += L) {
        for (int r = 0; r < rows; ++r) normalised_sums(at, first + r, u, sums + r * SUMS * L);
        this->gates(at, first, rows, u, sums);
      }
    }
  }

  void normalised_sums(const Step &at, std::int64_t r, std::int64_t u, T *sums) const {
    const T *raw_x = kept_x.raw_x + spot_x(at.s, r) * GATES * Hp;
    const T *of_x = kept_x.statistics_x + spot_x(at.s, r) * PAD;
    const T *of_h = statistics_of(at, r) + OF_STATE;
    V made[SUMS] = {};
#pragma GCC unroll 4
    for (int n = 0; n < GATES; ++n)
      made[n] = norm(raw_x + n * Hp, of_x, Base::GAIN_X + n, Base::SHIFT_X + n, u);
#pragma GCC unroll 4
    for (int n = 0; n < STATE; ++n)
      made[STATE_FIRST + n] +=
          norm(raw_of(at, r) + n * Hp, of_h, Base::GAIN_H + n, Base::SHIFT_H + n, u);
#pragma GCC unroll 4
    for (int n = 0; n < SUMS; ++n) store(sums + n * L, made[n]);
  }

  // W_hh's blocks from `first` on, without bias, for this thread's units.
  void raw_products(const Step &at, int first, int blocks, const T *rows, std::int64_t stride,
                    std::int64_t depth) {
    for (int n = first; n < first + blocks; ++n)
      multiply(at.rows, [&](std::int64_t r) { return rows + r * stride; }, depth,
               this->state_panels(packed) + n * Hp * depth, units.from, units.to, at.turn,
               [&](std::int64_t r, std::int64_t u, V sum) {
                 store(raw_of(at, r) + n * Hp + u, sum);
               });
  }

  // Once all units are there, this thread's part of the rows, for all threads.
  template <class Body>
  void each_of_mine(const Step &at, const Body &body) {
    share.wait();
    for (std::int64_t r = share.rank; r < at.rows; r += share.size) body(r);
    share.wait();
  }

  T *raw_of(const Step &at, std::int64_t r) const {
    return kept.raw_h + spot(at.t, r) * GATES * Hp;
  }
  T *statistics_of(const Step &at, std::int64_t r) const {
    return kept.statistics + spot(at.t, r) * PAD;
  }
  V norm(const T *raw, const T *statistics, int gain, int shift, std::int64_t u) const {
    return (load(raw + u) - statistics[0]) * statistics[1] * load(this->vector(packed, gain) + u) +
           load(this->vector(packed, shift) + u);
  }

  // The GRU's second product, of what its reset gate let through.
  void candidates(const Step &at) {
    share.wait();
    const auto inner = [&](std::int64_t r) { return kept.inner + spot(at.t, r) * Hp; };
    const T *panels = this->state_panels(packed) + 2 * Hp * S;
    if (!this->has_norm) {
      multiply(at.rows, inner, H, panels, units.from, units.to, at.turn,
               [&](std::int64_t r, std::int64_t u, V sum) { candidate(at, r, u, sum); });
      return;
    }
    multiply(at.rows, inner, H, panels, units.from, units.to, at.turn,
             [&](std::int64_t r, std::int64_t u, V sum) {
               store(raw_of(at, r) + 2 * Hp + u, sum);
             });
    each_of_mine(at, [&](std::int64_t r) {
      this->statistics(raw_of(at, r) + 2 * Hp, 1, statistics_of(at, r) + OF_CANDIDATE);
    });
    for (std::int64_t r = 0; r < at.rows; ++r)
      for (std::int64_t u = units.from; u < units.to; u += L)
        candidate(at, r, u, norm(raw_of(at, r) + 2 * Hp, statistics_of(at, r) + OF_CANDIDATE,
                                 Base::GAIN_H + 2, Base::SHIFT_H + 2, u));
  }

  void candidate(const Step &at, std::int64_t r, std::int64_t u, V product) {
    const T *gates = gates_of(at, r) + u;
    this->template mix<true>(at, r, u, tangent<T>(load(gates) + product), load(gates + 2 * Hp));
  }

  void normalised_cells(const Step &at) {
    each_of_mine(at, [&](std::int64_t r) {
      this->statistics(fresh_c + r * Hp, 1, statistics_of(at, r) + OF_CELL);
    });
    for (std::int64_t r = 0; r < at.rows; ++r)
      for (std::int64_t u = units.from; u < units.to; u += L) {
        const V cell = norm(fresh_c + r * Hp, statistics_of(at, r) + OF_CELL, Base::GAIN_C,
                            Base::SHIFT_C, u);
        const V out = load(gates_of(at, r) + (SUMS - 1) * Hp + u);
        this->template hand_on<true>(at, r, u, out * (call.identity ? cell : tangent<T>(cell)));
      }
  }

  void project(const Step &at) {
    share.wait();
    multiply(at.rows, [&](std::int64_t r) { return kept.inner + spot(at.t, r) * Hp; }, H,
             this->projection_panels(packed), outputs.from, outputs.to, at.turn,
             [&](std::int64_t r, std::int64_t u, V sum) {
               this->template emit<true>(at, r, u, sum);
             });
  }
};

}  // namespace
}  // namespace gatewise
