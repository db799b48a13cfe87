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

  // Of a product is packed at once: places, so that a piece of what stands on the right stays in the
  // fastest cache; and groups of PAD units, so that memory is read in long pieces.
  static constexpr int DEPTH = 128, GROUPS = 8;
  static constexpr std::int64_t ROWS_AT_ONCE = 48;

  // What stands on the right of a product, packed for a number of places: rows of `width` elements.
  enum Right { X, BEFORE, INNER, RIGHTS };
  // Where a product goes: (units, width) weights and, once, (units) bias; either may be null.
  struct Goal {
    Right right;
    T *weights, *bias;
  };
  // What stands on the left of one or two products: `units` elements at base + place * stride.
  struct Left {
    const T *base;
    std::int64_t stride, units;
    Goal goals[2];
    int number;
  };

  const Gradients<T> &grad;
  const T *packed;
  const Share &share;
  const typename Base::Activations acts;
  const std::int64_t widths[RIGHTS];
  T *left, *rights[RIGHTS];  // (GROUPS, DEPTH, PAD); panels of DEPTH rows
  Left lefts[2 * GATES + 1];
  int number = 0;

  Products(const Call<T> &call, const Gradients<T> &grad, const T *packed, const Share &share,
           T *scratch)
      : Base(call), grad(grad), packed(packed), share(share),
        acts(this->activations(call.activations, this->places)), widths{I, S, H} {
    divide(scratch);
  }

  std::int64_t divide(T *scratch) {
    Pieces<T> pieces{scratch};
    left = pieces.take(GROUPS * DEPTH * PAD);
    for (int right = 0; right < RIGHTS; ++right) {
      const bool is_needed = right != INNER || this->has_inner;
      rights[right] = pieces.take(is_needed ? DEPTH * padded(widths[right]) : 0);
    }
    return pieces.used;
  }

  void run() {
    if (grad.dx) input();
    list_products();
    weights();
  }

  // Bias goes with the plain sums; that of a layer norm comes from the recurrence itself.
  void list_products() {
    const auto input = [&](int n) {
      const std::int64_t row = Base::input_block(n) * H;
      return Goal{X, grad.dw_ih ? grad.dw_ih + row * I : nullptr,
                  grad.db_ih && !this->has_norm ? grad.db_ih + row : nullptr};
    };
    const auto state = [&](int block) {
      return Goal{Base::IS_BEFORE && block == 2 ? INNER : BEFORE,
                  grad.dw_hh ? grad.dw_hh + block * H * S : nullptr,
                  grad.db_hh && !this->has_norm ? grad.db_hh + block * H : nullptr};
    };
    for (int n = 0; n < GATES && this->has_norm; ++n) {
      add({acts.raw_x + n * Hp, GATES * Hp, H, {input(n)}, 1});
      add({acts.raw_h + n * Hp, GATES * Hp, H, {state(n)}, 1});
    }
    for (int n = 0; n < SUMS && !this->has_norm; ++n) {
      Left of{acts.gates + n * Hp, SUMS * Hp, H, {}, 0};
      if (n < GATES) of.goals[of.number++] = input(n);
      for (int block = 0; block < GATES; ++block)
        if (Base::state_sum(block) == n) of.goals[of.number++] = state(block);
      add(of);
    }
    if (this->has_projection)
      add({acts.projected, Sp, S, {{INNER, grad.dw_hr, nullptr}}, 1});
  }

  // Leave out what nobody wants.
  void add(Left of) {
    int kept = 0;
    for (int k = 0; k < of.number; ++k)
      if (of.goals[k].weights || of.goals[k].bias) of.goals[kept++] = of.goals[k];
    of.number = kept;
    if (kept) lefts[number++] = of;
  }

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

  // This rank's part of the gradients of the weights, in groups of PAD units.
  void weights() {
    std::int64_t all = 0;
    for (int k = 0; k < number; ++k) all += padded(lefts[k].units) / PAD;
    const std::int64_t from = all * share.rank / share.size;
    const std::int64_t to = all * (share.rank + 1) / share.size;
    // Call body(left, first, end) with the units of each that are this rank's.
    const auto each_left = [&](const auto &body) {
      std::int64_t group = 0;
      for (int k = 0; k < number; ++k) {
        const std::int64_t groups = padded(lefts[k].units) / PAD;
        const std::int64_t first = (from > group ? from - group : 0) * PAD;
        const std::int64_t end = (to < group + groups ? to - group : groups) * PAD;
        if (first < end) body(lefts[k], first, end < lefts[k].units ? end : lefts[k].units);
        group += groups;
      }
    };
    bool is_wanted[RIGHTS] = {};
    each_left([&](const Left &of, std::int64_t first, std::int64_t end) {
      for (int k = 0; k < of.number; ++k) {
        const Goal &goal = of.goals[k];
        const std::int64_t width = widths[goal.right], rows = end - first;
        if (goal.weights) std::memset(goal.weights + first * width, 0, rows * width * sizeof(T));
        if (goal.weights) is_wanted[goal.right] = true;
        if (goal.bias) std::memset(goal.bias + first, 0, rows * sizeof(T));
      }
    });
    if (from == to) return;
    each_place<DEPTH>([&](const Place *places, int n) {
      for (int right = 0; right < RIGHTS; ++right)
        if (is_wanted[right]) pack_right(Right(right), places, n);
      each_left([&](const Left &of, std::int64_t first, std::int64_t end) {
        for (std::int64_t u = first; u < end; u += GROUPS * PAD) {
          const std::int64_t last = u + GROUPS * PAD < end ? u + GROUPS * PAD : end;
          pack_left(of, places, n, u, last);
          for (int k = 0; k < of.number; ++k)
            if (of.goals[k].weights) add_product(of.goals[k], n, u, last);
        }
      });
    });
  }

  void pack_right(Right right, const Place *places, int n) {
    const std::int64_t width = widths[right];
    for (int k = 0; k < n; ++k) {
      const T *row = right == X     ? call.x + places[k].place * I
                     : right == INNER ? acts.inner + places[k].place * Hp
                                      : h_before(places[k]);
      const T *mask = right == BEFORE && call.recurrent_mask
                          ? call.recurrent_mask + share.rows.index[places[k].r] * S
                          : nullptr;
      for (std::int64_t u = 0; u < width; u += L) {
        V value = Base::load_or_0(row, u, width);
        if (mask) value *= Base::load_or_0(mask, u, width);
        store(rights[right] + u * DEPTH + k * L, value);
      }
    }
  }

  // Of units `first` to `end`. Also adds up the bias, in pieces of DEPTH.
  void pack_left(const Left &of, const Place *places, int n, std::int64_t first,
                 std::int64_t end) {
    constexpr int FAR = 4;  // places that are asked for ahead
    constexpr int VECTORS = GROUPS * PAD / L;
    const int vectors = int((end - first + L - 1) / L);
    V sums[VECTORS] = {};
    for (int k = 0; k < n; ++k) {
      const T *from = of.base + places[k].place * of.stride + first;
      const T *ahead = of.base + places[k + FAR < n ? k + FAR : n - 1].place * of.stride + first;
      for (int v = 0; v < vectors; ++v) {
        __builtin_prefetch(ahead + v * L);
        const V value = load(from + v * L);
        store(left + v * L / PAD * PAD * DEPTH + k * PAD + v * L % PAD, value);
        sums[v] += value;
      }
    }
    for (int k = 0; k < of.number; ++k)
      for (int v = 0; v < vectors && of.goals[k].bias; ++v) {
        const std::int64_t at = first + v * L;
        store_upto(of.goals[k].bias, at, end, load_upto(of.goals[k].bias, at, end) + sums[v]);
      }
  }

  // Into the weights of units `first` to `end`.
  void add_product(const Goal &goal, int n, std::int64_t first, std::int64_t end) {
    using Tile = void (*)(const T *, std::int64_t, const T *, std::int64_t, std::int64_t, T *,
                          std::int64_t);
    static constexpr Tile tiles[WIDE] = {outer_tile<T, 1>, outer_tile<T, 2>, outer_tile<T, 3>};
    const std::int64_t width = widths[goal.right];
    for_pieces((width + L - 1) / L, WIDE, [&](std::int64_t vector, std::int64_t vectors) {
      const T *right = rights[goal.right] + vector * L * DEPTH;
      const bool is_full = (vector + vectors) * L <= width;
      for (std::int64_t u = first; u < end; u += OUTER_ROWS) {
        const T *of = left + (u - first) / PAD * PAD * DEPTH + (u - first) % PAD;
        T *row = goal.weights + u * width;
        if (is_full && u + OUTER_ROWS <= end) {
          tiles[vectors - 1](of, PAD, right, DEPTH * L, n, row + vector * L, width);
          continue;
        }
        // What reaches beyond the weights goes by way of what does not.
        alignas(64) T sums[OUTER_ROWS * WIDE * L] = {};
        tiles[vectors - 1](of, PAD, right, DEPTH * L, n, sums, WIDE * L);
        for (std::int64_t r = 0; r < OUTER_ROWS && u + r < end; ++r, row += width)
          for (std::int64_t v = 0; v < vectors; ++v) {
            const std::int64_t at = (vector + v) * L;
            store_upto(row, at, width, load_upto(row, at, width) + load(sums + (r * WIDE + v) * L));
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
