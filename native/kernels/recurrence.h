// The recurrences: one driver for all cells, forward and backward, and what a cell does to its sums.
//
// A thread walks its rows through time. In each step it goes through the units, a vector of them at
// a time, and through its rows, a tile at a time: the sums of all gates of a tile are made in
// registers, from the input and from the state before, and become the new state there.
#pragma once

#include <cstring>

#include "../api.h"
#include "product.h"

namespace gatewise {
namespace {

template <class T, Cell CELL, bool COUPLED>
struct Recurrence {
  // Sums a unit has: lstm i f g o (coupled i g o), gru n r z u, rnn one.
  static constexpr int SUMS = CELL == Cell::lstm ? (COUPLED ? 3 : 4) : CELL == Cell::gru ? 4 : 1;
  static constexpr int GATES = CELL == Cell::lstm ? SUMS : CELL == Cell::gru ? 3 : 1;
  // In the GRU the input makes sums 0 to 2, n r z, and the state 1 to 3, r z u.
  static constexpr int STATE_FIRST = CELL == Cell::gru ? 1 : 0;
  static constexpr int ROWS = TILE_ROWS<SUMS>;
  static constexpr int L = LANES<T>;
  using V = Vec<T>;

  const Call<T> &call;
  const std::int64_t H = call.units, Hp = padded(call.units), I = call.inputs;

  // Which block of the weights (torch's order) stands n-th among the input's or the state's sums.
  static constexpr int input_block(int n) { return CELL == Cell::gru ? (n == 0 ? 2 : n - 1) : n; }
  static constexpr int state_block(int n) { return n; }

  // ---- packed weights: bias (SUMS, Hp); input (Hp/L, I, GATES, L); state (Hp/L, Hp, GATES, L) ----

  std::int64_t bias_size() const { return SUMS * Hp; }
  std::int64_t input_size() const { return GATES * Hp * I; }
  std::int64_t state_size() const { return GATES * Hp * Hp; }

  void pack_forward(T *packed) const {
    T *bias = packed;
    for (std::int64_t k = 0; k < bias_size(); ++k) bias[k] = 0;
    for (int n = 0; n < GATES; ++n) {
      for (std::int64_t u = 0; u < H; ++u) {
        if (call.b_ih) bias[n * Hp + u] += call.b_ih[input_block(n) * H + u];
        if (call.b_hh) bias[(STATE_FIRST + n) * Hp + u] += call.b_hh[state_block(n) * H + u];
      }
    }
    pack_panels(packed + bias_size(), call.w_ih, I, I, true);
    pack_panels(packed + bias_size() + input_size(), call.w_hh, H, Hp, false);
  }

  void pack_panels(T *to, const T *from, std::int64_t width, std::int64_t depth,
                   bool is_input) const {
    std::memset(to, 0, GATES * Hp * depth * sizeof(T));
    for (std::int64_t u = 0; u < H; u += L, to += depth * GATES * L)
      for (int n = 0; n < GATES; ++n) {
        const int block = is_input ? input_block(n) : state_block(n);
        transpose(to + n * L, GATES * L, from + (block * H + u) * width, H - u < L ? H - u : L,
                  width, width);
      }
  }

  // For the backward: the gradient of the state from those of the sums. Panels of BACK vectors of
  // units, the last maybe of fewer: (GATES * Hp, vectors, L) each.
  static constexpr int BACK = 2;

  void pack_backward(T *to) const {
    std::memset(to, 0, state_size() * sizeof(T));
    for (std::int64_t u = 0; u < Hp; u += BACK * L) {
      const std::int64_t wide = Hp - u < BACK * L ? Hp - u : BACK * L;
      const std::int64_t units = H - u < wide ? H - u : wide;
      for (int n = 0; n < GATES; ++n)
        for (std::int64_t k = 0; k < H && units > 0; ++k)
          std::memcpy(to + (n * Hp + k) * wide, call.w_hh + (state_block(n) * H + k) * H + u,
                      units * sizeof(T));
      to += GATES * Hp * wide;
    }
  }

  // ---- places ----

  std::int64_t step_at(std::int64_t s) const { return call.reverse ? call.steps - 1 - s : s; }
  std::int64_t first_step(std::int64_t length) const {
    return call.reverse ? call.steps - length : 0;
  }
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

  void fill_row(T *to, const T *from) const {
    for (std::int64_t u = 0; u < Hp; ++u) to[u] = from && u < H ? from[u] : T(0);
  }

  // ---- forward ----

  // Scratch: h in two buffers that take turns, h as W_hh sees it, c.
  std::int64_t scratch_size(std::int64_t rows) const { return 4 * rows * Hp; }

  void forward(const T *packed, Rows rows, T *scratch) const {
    T *h[2] = {scratch, scratch + rows.count * Hp};
    T *seen = scratch + 2 * rows.count * Hp, *c = scratch + 3 * rows.count * Hp;
    for (std::int64_t r = 0; r < rows.count; ++r) {
      const std::int64_t at = first_step(rows.lengths[r]) % 2;
      fill_row(h[at] + r * Hp, call.h_0 + rows.index[r] * H);
      if (call.c_0) fill_row(c + r * Hp, call.c_0 + rows.index[r] * H);
    }
    for (std::int64_t s = 0; s < call.steps; ++s) {
      const std::int64_t t = step_at(s), n = active(rows, t);
      T *old = h[s % 2], *next = h[(s + 1) % 2];
      start_step(t, n, rows, old, seen, c);
      for (std::int64_t u = 0; u < Hp; u += L)
        for_tiles<ROWS>(n, [&]<int R>(std::int64_t first) {
          forward_tile<R>(packed, rows, first, t, u, old, call.recurrent_mask ? seen : old, next,
                          c);
        });
      for (std::int64_t r = n; r < rows.count; ++r)
        std::memset(call.y + place(t, rows.index[r]) * H, 0, H * sizeof(T));
    }
    for (std::int64_t r = 0; r < rows.count; ++r) {
      const std::int64_t end = call.reverse ? call.steps : rows.lengths[r];
      std::memcpy(call.h_n + rows.index[r] * H, h[end % 2] + r * Hp, H * sizeof(T));
      if (call.c_n) std::memcpy(call.c_n + rows.index[r] * H, c + r * Hp, H * sizeof(T));
    }
  }

  // Cut rows begin anew; with a recurrent mask, make what W_hh sees.
  void start_step(std::int64_t t, std::int64_t n, const Rows &rows, T *old, T *seen, T *c) const {
    for (std::int64_t r = 0; r < n && call.resets; ++r)
      if (is_cut(t, rows.index[r], rows.lengths[r])) {
        fill_row(old + r * Hp, call.initial_h);
        if (call.c_0) fill_row(c + r * Hp, call.initial_c);
      }
    for (std::int64_t r = 0; r < n && call.recurrent_mask; ++r)
      for (std::int64_t u = 0; u < H; ++u)
        seen[r * Hp + u] = call.recurrent_mask[rows.index[r] * H + u] * old[r * Hp + u];
  }

  template <int R>
  void forward_tile(const T *packed, const Rows &rows, std::int64_t first, std::int64_t t,
                    std::int64_t u, const T *old, const T *seen, T *next, T *c) const {
    V sums[R][SUMS];
    const T *inputs[R], *states[R];
#pragma GCC unroll 12
    for (int r = 0; r < R; ++r) {
      inputs[r] = call.x + place(t, rows.index[first + r]) * I;
      states[r] = seen + (first + r) * Hp;
#pragma GCC unroll 4
      for (int n = 0; n < SUMS; ++n) sums[r][n] = load(packed + n * Hp + u);
    }
    const T *w_ih = packed + bias_size() + u * I * GATES;
    const T *w_hh = packed + bias_size() + input_size() + u * Hp * GATES;
    accumulate<T, R, SUMS, 0, GATES>(sums, inputs, w_ih, I);
    accumulate<T, R, SUMS, STATE_FIRST, GATES>(sums, states, w_hh, H);
    for (int r = 0; r < R; ++r)
      finish(sums[r], place(t, rows.index[first + r]), u, old + (first + r) * Hp + u,
             next + (first + r) * Hp + u, c + (first + r) * Hp + u);
  }

  V keep(const std::uint8_t *mask, T share, V old, V made, std::int64_t at, std::int64_t u) const {
    if (mask) {
      T lanes[L], olds[L];
      store(lanes, made);
      store(olds, old);
      const std::int64_t count = H - u < L ? H - u : L;
      for (std::int64_t k = 0; k < count; ++k)
        if (mask[at * H + u + k]) lanes[k] = olds[k];
      return load<T>(lanes);
    }
    return share == 0 ? made : share * old + (1 - share) * made;
  }

  V peephole(int gate, std::int64_t u) const { return load_upto(call.peephole + gate * H, u, H); }

  // Turn the sums of L units of one row into their new state; `at` counts rows of (T, B).
  void finish(V (&sums)[SUMS], std::int64_t at, std::int64_t u, const T *old_h, T *new_h,
              T *cell) const {
    const V h = load(old_h);
    V made;
    if constexpr (CELL == Cell::lstm) {
      const V c = load(cell);
      constexpr int G = COUPLED ? 1 : 2, O = G + 1;
      if (call.peephole) {
        sums[0] += peephole(0, u) * c;
        if constexpr (!COUPLED) sums[1] += peephole(1, u) * c;
      }
      const V i = sigmoid<T>(sums[0]);
      V f;
      if constexpr (COUPLED) f = T(1) - i;
      else f = sigmoid<T>(sums[1]);
      const V g = tangent<T>(sums[G]);
      const V new_c = i * g + f * c;
      if (call.peephole) sums[O] += peephole(O - 1, u) * new_c;
      const V o = sigmoid<T>(sums[O]);
      made = o * (call.identity ? new_c : tangent<T>(new_c));
      const V kept = keep(call.keep_c, call.zoneout_c, c, new_c, at, u);
      store(cell, kept);
      sums[0] = i, sums[G] = g, sums[O] = o;
      if constexpr (!COUPLED) sums[1] = f;
      if (call.cells) store(call.cells + at * Hp + u, kept);
    } else if constexpr (CELL == Cell::gru) {
      const V r = sigmoid<T>(sums[1]), z = sigmoid<T>(sums[2]);
      const V n = tangent<T>(sums[0] + r * sums[3]);
      made = (T(1) - z) * n + z * h;
      sums[0] = n, sums[1] = r, sums[2] = z;
    } else {
      made = call.relu ? (sums[0] < 0 ? V{} : sums[0]) : tangent<T>(sums[0]);
      sums[0] = made;
    }
    if (call.saved)
      for (int n = 0; n < SUMS; ++n) store(call.saved + (at * SUMS + n) * Hp + u, sums[n]);
    made = keep(call.keep_h, call.zoneout_h, h, made, at, u);
    store(new_h, made);
    store_upto(call.y + at * H, u, H, made);
  }

  // ---- backward ----

  // Scratch: gradients of h and c between steps, and of the peepholes and learned state.
  // Partial sums over rows stand first: (5, Hp).
  static constexpr int PARTIAL = 5;

  std::int64_t backward_scratch_size(std::int64_t rows) const {
    return (2 * rows + PARTIAL) * Hp;
  }

  void backward(const Gradients<T> &grad, const T *packed, Rows rows, T *scratch) const {
    T *partial = scratch, *dh = scratch + PARTIAL * Hp, *dc = dh + rows.count * Hp;
    std::memset(partial, 0, PARTIAL * Hp * sizeof(T));
    for (std::int64_t r = 0; r < rows.count; ++r) {
      const std::int64_t from = rows.index[r] * H;
      fill_row(dh + r * Hp, grad.dh_n ? grad.dh_n + from : nullptr);
      fill_row(dc + r * Hp, grad.dc_n ? grad.dc_n + from : nullptr);
    }
    for (std::int64_t s = call.steps - 1; s >= 0; --s) {
      const std::int64_t t = step_at(s), n = active(rows, t);
      for (std::int64_t r = 0; r < n; ++r) backward_row(grad, rows, r, t, dh, dc, partial);
      for (std::int64_t u = 0; u < Hp; u += BACK * L)
        for_tiles<TILE_ROWS<BACK>>(n, [&]<int R>(std::int64_t first) {
          if (u + BACK * L <= Hp)
            state_gradient<R, BACK>(grad, packed, rows, first, t, u, dh);
          else
            state_gradient<R, 1>(grad, packed, rows, first, t, u, dh);
        });
      for (std::int64_t r = 0; r < n && call.resets; ++r)
        if (is_cut(t, rows.index[r], rows.lengths[r])) {
          for (std::int64_t u = 0; u < Hp; ++u) {
            partial[3 * Hp + u] += dh[r * Hp + u];
            partial[4 * Hp + u] += dc[r * Hp + u];
            dh[r * Hp + u] = dc[r * Hp + u] = 0;
          }
        }
      for (std::int64_t r = n; r < rows.count; ++r)
        std::memset(grad.dgates + place(t, rows.index[r]) * SUMS * Hp, 0, SUMS * Hp * sizeof(T));
    }
    for (std::int64_t r = 0; r < rows.count; ++r) {
      std::memcpy(grad.dh_0 + rows.index[r] * H, dh + r * Hp, H * sizeof(T));
      if (grad.dc_0) std::memcpy(grad.dc_0 + rows.index[r] * H, dc + r * Hp, H * sizeof(T));
    }
  }

  // The state before step t, as the step found it: (H) units, or null for 0.
  const T *h_before(std::int64_t t, std::int64_t row, std::int64_t length) const {
    if (is_cut(t, row, length)) return call.initial_h;
    if (is_first(t, length)) return call.h_0 + row * H;
    return call.y + place(call.reverse ? t + 1 : t - 1, row) * H;
  }
  const T *c_before(std::int64_t t, std::int64_t row, std::int64_t length, bool *is_dense) const {
    *is_dense = true;
    if (is_cut(t, row, length)) return call.initial_c;
    if (is_first(t, length)) return call.c_0 + row * H;
    *is_dense = false;
    return call.cells + place(call.reverse ? t + 1 : t - 1, row) * Hp;
  }

  // Share of the gradient that goes to the old state: the mask's bit, or its probability.
  V kept_share(const std::uint8_t *mask, T share, std::int64_t at, std::int64_t u) const {
    if (!mask) return broadcast(share);
    T lanes[L] = {};
    const std::int64_t count = H - u < L ? H - u : L;
    for (std::int64_t k = 0; k < count; ++k) lanes[k] = mask[at * H + u + k] ? T(1) : T(0);
    return load<T>(lanes);
  }

  void backward_row(const Gradients<T> &grad, const Rows &rows, std::int64_t r, std::int64_t t,
                    T *dh_rows, T *dc_rows, T *partial) const {
    const std::int64_t row = rows.index[r], length = rows.lengths[r], at = place(t, row);
    const T *old_h = CELL == Cell::gru ? h_before(t, row, length) : nullptr;
    bool is_dense = true;
    const T *old_c = CELL == Cell::lstm ? c_before(t, row, length, &is_dense) : nullptr;
    const bool has_zoneout_h = call.keep_h || call.zoneout_h != 0;
    const bool has_zoneout_c = call.keep_c || call.zoneout_c != 0;
    for (std::int64_t u = 0; u < Hp; u += L) {
      const T *saved = call.saved + at * SUMS * Hp + u;
      T *out = grad.dgates + at * SUMS * Hp + u;
      V dh = load(dh_rows + r * Hp + u);
      if (grad.dy && u < H) dh += load_upto(grad.dy + at * H, u, H);
      V carried = {};
      if (has_zoneout_h) {
        const V share = kept_share(call.keep_h, call.zoneout_h, at, u);
        carried = share * dh;
        dh -= carried;
      }
      if constexpr (CELL == Cell::lstm) {
        V c = {};
        if (old_c) c = is_dense ? (u < H ? load_upto(old_c, u, H) : V{}) : load(old_c + u);
        V dc = load(dc_rows + r * Hp + u);
        lstm_gradient(saved, out, u, c, dh, dc, has_zoneout_c, at, partial);
        store(dc_rows + r * Hp + u, dc);
      } else if constexpr (CELL == Cell::gru) {
        const V h = old_h && u < H ? load_upto(old_h, u, H) : V{};
        const V n = load(saved), reset = load(saved + Hp), z = load(saved + 2 * Hp);
        const V dn = dh * (T(1) - z) * (T(1) - n * n);
        carried += dh * z;
        store(out, dn);
        store(out + Hp, dn * load(saved + 3 * Hp) * reset * (T(1) - reset));
        store(out + 2 * Hp, dh * (h - n) * z * (T(1) - z));
        store(out + 3 * Hp, dn * reset);
      } else {
        const V h = load(saved);
        store(out, call.relu ? (h > 0 ? dh : V{}) : dh * (T(1) - h * h));
      }
      store(dh_rows + r * Hp + u, carried);
    }
    // Units that only fill up a vector may hold NaN where the input is infinite.
    for (std::int64_t u = H; u < Hp; ++u) {
      for (int n = 0; n < SUMS; ++n) grad.dgates[(at * SUMS + n) * Hp + u] = 0;
      dh_rows[r * Hp + u] = dc_rows[r * Hp + u] = 0;
    }
  }

  void lstm_gradient(const T *saved, T *out, std::int64_t u, V c, V dh, V &dc, bool has_zoneout_c,
                     std::int64_t at, T *partial) const {
    constexpr int G = COUPLED ? 1 : 2, O = G + 1;
    const V i = load(saved), g = load(saved + G * Hp), o = load(saved + O * Hp);
    V f;
    if constexpr (COUPLED) f = T(1) - i;
    else f = load(saved + Hp);
    const V new_c = i * g + f * c;
    V carried = {};
    if (has_zoneout_c) {
      const V share = kept_share(call.keep_c, call.zoneout_c, at, u);
      carried = share * dc;
      dc -= carried;
    }
    const V shown = call.identity ? new_c : tangent<T>(new_c);
    const V d_o = dh * shown * o * (T(1) - o);
    dc += dh * o * (call.identity ? broadcast(T(1)) : T(1) - shown * shown);
    if (call.peephole && u < H) {
      dc += d_o * peephole(O - 1, u);
      add(partial + (O - 1) * Hp + u, d_o * new_c);
    }
    V d_i, d_f = {};
    if constexpr (COUPLED) {
      d_i = dc * (g - c) * i * f;
    } else {
      d_i = dc * g * i * (T(1) - i);
      d_f = dc * c * f * (T(1) - f);
      store(out + Hp, d_f);
    }
    store(out, d_i);
    store(out + G * Hp, dc * i * (T(1) - g * g));
    store(out + O * Hp, d_o);
    dc = dc * f + carried;
    if (call.peephole && u < H) {
      dc += d_i * peephole(0, u);
      add(partial + u, d_i * c);
      if constexpr (!COUPLED) {
        dc += d_f * peephole(1, u);
        add(partial + Hp + u, d_f * c);
      }
    }
  }

  void add(T *sum, V value) const { store(sum, load(sum) + value); }

  // dh += mask * (dsums W_hh), for N vectors of units of a tile of rows.
  template <int R, int N>
  void state_gradient(const Gradients<T> &grad, const T *packed, const Rows &rows,
                      std::int64_t first, std::int64_t t, std::int64_t u, T *dh) const {
    V sums[R][N] = {};
    const T *from[R];
    for (int r = 0; r < R; ++r)
      from[r] = grad.dgates + (place(t, rows.index[first + r]) * SUMS + STATE_FIRST) * Hp;
    accumulate<T, R, N, 0, N>(sums, from, packed + u * GATES * Hp, GATES * Hp);
    for (int r = 0; r < R; ++r)
      for (int n = 0; n < N; ++n) {
        const std::int64_t at = u + n * L;
        V made = sums[r][n];
        if (call.recurrent_mask)
          made *= at < H ? load_upto(call.recurrent_mask + rows.index[first + r] * H, at, H) : V{};
        add(dh + (first + r) * Hp + at, made);
      }
  }
};

// Call body with the recurrence that fits a call.
template <class T, class Body>
auto with_recurrence(const Call<T> &call, Body &&body) {
  if (call.cell == Cell::gru) return body(Recurrence<T, Cell::gru, false>{call});
  if (call.cell == Cell::rnn) return body(Recurrence<T, Cell::rnn, false>{call});
  if (call.coupled) return body(Recurrence<T, Cell::lstm, true>{call});
  return body(Recurrence<T, Cell::lstm, false>{call});
}

template <class T>
Kernels<T> kernels() {
  return {
      [](const Call<T> &call, bool backward) {
        return with_recurrence(call, [&](auto r) {
          return std::size_t(backward ? r.state_size()
                                      : r.bias_size() + r.input_size() + r.state_size());
        });
      },
      [](const Call<T> &call, bool backward, T *packed) {
        with_recurrence(call,
                        [&](auto r) { backward ? r.pack_backward(packed) : r.pack_forward(packed); });
      },
      [](const Call<T> &call, std::int64_t rows) {
        return with_recurrence(call, [&](auto r) {
          return std::size_t(r.scratch_size(rows) + r.backward_scratch_size(rows));
        });
      },
      [](const Call<T> &call, const T *packed, Rows rows, T *scratch) {
        with_recurrence(call, [&](auto r) { r.forward(packed, rows, scratch); });
      },
      [](const Call<T> &call, const Gradients<T> &grad, const T *packed, Rows rows, T *scratch) {
        with_recurrence(call, [&](auto r) { r.backward(grad, packed, rows, scratch); });
      },
  };
}

}  // namespace
}  // namespace gatewise
