// After the backward recurrence: the gradients of the input and of the weights, as products over
// all rows and steps that took place.
#pragma once

#include "backward.h"

namespace gatewise {
namespace {

template <class T, Cell CELL>
struct Products : Layout<T, CELL> {
  using Base = Layout<T, CELL>;
  using Base::call, Base::H, Base::Hp, Base::I, Base::S, Base::Sp, Base::L;
  using Base::GATES, Base::SUMS, Base::STATE, Base::STATE_FIRST;
  using V = Vec<T>;

  static constexpr int DEPTH = 256;  // rows of a product that are packed at once
  static constexpr std::int64_t ROWS_AT_ONCE = 48;

  const Gradients<T> &grad;
  const T *packed;
  const Share &share;
  const typename Base::Activations acts;
  T *left, *right;  // (DEPTH, PAD); panels of DEPTH rows

  Products(const Call<T> &call, const Gradients<T> &grad, const T *packed, const Share &share,
           T *scratch)
      : Base(call), grad(grad), packed(packed), share(share),
        acts(this->activations(call.activations, this->places)), left(scratch),
        right(scratch + DEPTH * PAD) {}

  static std::size_t scratch_size(const Base &layout) {
    const std::int64_t wide = layout.I > layout.Hp ? padded(layout.I) : layout.Hp;
    return DEPTH * PAD + DEPTH * (wide > layout.Sp ? wide : layout.Sp);
  }

  void run() {
    if (grad.dx) input();
    const bool has_norm = this->has_norm;
    T *gates = acts.gates, *raw_x = acts.raw_x, *raw_h = acts.raw_h;
    const auto x = [&](const Place &at) { return call.x + at.place * I; };
    const auto h = [&](const Place &at) { return h_before(at); };
    const auto inner = [&](const Place &at) { return acts.inner + at.place * Hp; };
    // The bias of a product with layer norm comes from the recurrence itself.
    for (int n = 0; n < GATES; ++n) order[n] = Base::input_block(n);
    outer({GATES, has_norm ? raw_x : gates, (has_norm ? GATES : SUMS) * Hp, 0, H, I, grad.dw_ih,
           has_norm ? nullptr : grad.db_ih, order, false}, x);
    for (int n = 0; n < GATES; ++n) order[n] = n;
    outer({STATE, has_norm ? raw_h : gates, (has_norm ? GATES : SUMS) * Hp,
           has_norm ? 0 : STATE_FIRST * Hp, H, S, grad.dw_hh, has_norm ? nullptr : grad.db_hh,
           order, call.recurrent_mask != nullptr}, h);
    order[0] = 2;
    if constexpr (Base::IS_BEFORE)
      outer({1, has_norm ? raw_h + 2 * Hp : gates, (has_norm ? GATES : SUMS) * Hp, 0, H, H,
             grad.dw_hh, has_norm ? nullptr : grad.db_hh, order, false}, inner);
    order[0] = 0;
    if (this->has_projection)
      outer({1, acts.projected, Sp, 0, S, H, grad.dw_hr, nullptr, order, false}, inner);
  }

  int order[GATES];

  // A row in a step that it takes.
  struct Place {
    std::int64_t t, r, place;
  };

  const T *h_before(const Place &at) const {
    return Base::h_before(at.t, share.rows.index[at.r], share.rows.lengths[at.r]);
  }

  // Call body(places, number) for all rows and steps that take place, at most MOST at once.
  template <int MOST, class Body>
  void each_place(const Body &body) const {
    Place places[MOST];
    int n = 0;
    for (std::int64_t t = 0; t < call.steps; ++t) {
      const std::int64_t rows = this->active(share.rows, t);
      for (std::int64_t r = 0; r < rows; ++r) {
        places[n++] = {t, r, this->place(t, share.rows.index[r])};
        if (n == MOST) body(places, n), n = 0;
      }
    }
    if (n) body(places, n);
  }

  // dx of this rank's steps.
  void input() const {
    std::int64_t from[ROWS_AT_ONCE], n = 0;
    const auto flush = [&] {
      multiply(n,
               [&](std::int64_t k) {
                 return this->has_norm ? acts.raw_x + from[k] * GATES * Hp
                                       : acts.gates + from[k] * SUMS * Hp;
               },
               GATES * Hp, this->back_input_panels(packed), 0, padded(I), false,
               [&](std::int64_t k, std::int64_t u, V sum) {
                 if (u < I) store_upto(grad.dx + from[k] * I, u, I, sum);
               });
      n = 0;
    };
    for (std::int64_t t = share.rank; t < call.steps; t += share.size) {
      const std::int64_t rows = this->active(share.rows, t);
      for (std::int64_t r = 0; r < rows; ++r) {
        from[n++] = this->place(t, share.rows.index[r]);
        if (n == ROWS_AT_ONCE) flush();
      }
      for (std::int64_t r = rows; r < share.rows.count; ++r)
        std::memset(grad.dx + this->place(t, share.rows.index[r]) * I, 0, I * sizeof(T));
    }
    flush();
  }

  // The gradient of `blocks` blocks of weights, (units, width) each: the sum over all places of
  // left, at `base` + place * stride + offset + block * Hp, times right.
  struct Outer {
    int blocks;
    const T *base;
    std::int64_t stride, offset, units, width;
    T *weights, *bias;  // either may be null
    const int *order;   // of the blocks in the gradient
    bool is_masked;
  };

  template <class Right>
  void outer(const Outer &of, const Right &right_of) {
    if (!of.weights && !of.bias) return;
    const std::int64_t groups = (of.units + PAD - 1) / PAD, all = of.blocks * groups;
    const std::int64_t from = all * share.rank / share.size;
    const std::int64_t to = all * (share.rank + 1) / share.size;
    const auto each_group = [&](const auto &body) {
      for (std::int64_t k = from; k < to; ++k) body(int(k / groups), k % groups * PAD);
    };
    each_group([&](int block, std::int64_t u) {
      const std::int64_t row = of.order[block] * of.units + u;
      const std::int64_t rows = of.units - u < PAD ? of.units - u : PAD;
      if (of.weights) std::memset(of.weights + row * of.width, 0, rows * of.width * sizeof(T));
      if (of.bias) std::memset(of.bias + row, 0, rows * sizeof(T));
    });
    if (from == to) return;
    each_place<DEPTH>([&](const Place *places, int n) {
      if (of.weights) pack_right(of, places, n, right_of);
      each_group([&](int block, std::int64_t u) {
        pack_left(of, places, n, block, u);
        if (of.weights) add_group(of, n, of.order[block] * of.units, u);
      });
    });
  }

  template <class Right>
  void pack_right(const Outer &of, const Place *places, int n, const Right &right_of) {
    for (int k = 0; k < n; ++k) {
      const T *row = right_of(places[k]);
      const T *mask = of.is_masked ? call.recurrent_mask + share.rows.index[places[k].r] * S
                                   : nullptr;
      for (std::int64_t u = 0; u < of.width; u += L) {
        V value = Base::load_or_0(row, u, of.width);
        if (mask) value *= Base::load_or_0(mask, u, of.width);
        store(right + u * DEPTH + k * L, value);
      }
    }
  }

  // Also adds up the bias, in pieces of DEPTH.
  void pack_left(const Outer &of, const Place *places, int n, int block, std::int64_t u) {
    constexpr int VECTORS = PAD / L;
    V sums[VECTORS] = {};
    const T *from = of.base + of.offset + block * Hp + u;
    for (int k = 0; k < n; ++k)
      for (int v = 0; v < VECTORS; ++v) {
        const V value = load(from + places[k].place * of.stride + v * L);
        store(left + k * PAD + v * L, value);
        sums[v] += value;
      }
    if (!of.bias) return;
    T *bias = of.bias + of.order[block] * of.units;
    for (int v = 0; v < VECTORS; ++v)
      if (const std::int64_t at = u + v * L; at < of.units)
        store_upto(bias, at, of.units, load_upto(bias, at, of.units) + sums[v]);
  }

  void add_group(const Outer &of, int n, std::int64_t first_row, std::int64_t u) {
    using Tile = void (*)(const T *, std::int64_t, const T *, std::int64_t, std::int64_t, T *);
    static constexpr Tile tiles[WIDE] = {outer_tile<T, 1>, outer_tile<T, 2>, outer_tile<T, 3>};
    alignas(64) T sums[OUTER_ROWS * WIDE * L];
    for_pieces((of.width + L - 1) / L, WIDE, [&](std::int64_t vector, std::int64_t vectors) {
      for (std::int64_t sub = u; sub < u + PAD && sub < of.units; sub += OUTER_ROWS) {
        tiles[vectors - 1](left + (sub - u), PAD, right + vector * L * DEPTH, DEPTH * L, n, sums);
        for (std::int64_t r = 0; r < OUTER_ROWS && sub + r < of.units; ++r)
          for (std::int64_t v = 0; v < vectors; ++v) {
            T *row = of.weights + (first_row + sub + r) * of.width;
            const std::int64_t at = (vector + v) * L;
            store_upto(row, at, of.width,
                       load_upto(row, at, of.width) + load(sums + (r * vectors + v) * L));
          }
      }
    });
  }
};

// Bring what the backward summed over rows into torch's order.
template <class T, Cell CELL>
void unpack_sums(const Layout<T, CELL> &layout, const Gradients<T> &grad, const T *sums) {
  using Of = Layout<T, CELL>;
  using Sum = RowSums<T, CELL>;
  const std::int64_t H = layout.H, Hp = layout.Hp;
  const auto copy = [&](T *to, int block, int which, std::int64_t count) {
    if (to) std::memcpy(to + block * H, sums + which * Hp, count * sizeof(T));
  };
  for (int n = 0; n < Of::PEEPHOLES && Of::IS_LSTM; ++n)
    copy(grad.dw_peephole, n, Sum::PEEPHOLE + n, H);
  for (int n = 0; n < Of::GATES && layout.has_norm; ++n) {
    copy(grad.dw_ln_ih, Of::input_block(n), Sum::GAIN_X + n, H);
    copy(grad.db_ih, Of::input_block(n), Sum::SHIFT_X + n, H);
    copy(grad.dw_ln_hh, n, Sum::GAIN_H + n, H);
    copy(grad.db_hh, n, Sum::SHIFT_H + n, H);
  }
  copy(grad.dw_ln_c, 0, Sum::GAIN_C, H);
  copy(grad.db_ln_c, 0, Sum::SHIFT_C, H);
  copy(grad.dinitial_c, 0, Sum::INITIAL_C, H);
  copy(grad.dinitial_h, 0, Sum::INITIAL_H, layout.S);
}

}  // namespace
}  // namespace gatewise
