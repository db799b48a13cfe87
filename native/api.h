// One layer, one direction, a whole sequence: what a recurrence is given, and the functions that do it.
//
// Shapes: T steps, B rows (sequences), I input features, H units, Hp = H rounded up to PAD,
// G gate blocks. Arrays are dense and row-major; sizes are in elements.
//
// The kernels know nothing of Python or torch, allocate nothing but scratch, and throw nothing.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gatewise {

constexpr std::int64_t PAD = 16;  // units are rounded up to this in all buffers of our own

inline std::int64_t padded(std::int64_t units) { return (units + PAD - 1) / PAD * PAD; }

enum class Cell : std::int32_t { lstm, gru, rnn };

// How often the blocks of saved activations stand side by side, per row and step:
//   lstm  i f g o        (coupled: i g o)
//   gru   n r z u        (u = U_n h + b_hn)
//   rnn   h itself is enough: 1 block, used for the gradient alone
inline std::int64_t saved_blocks(Cell cell, bool coupled) {
  return cell == Cell::lstm ? (coupled ? 3 : 4) : cell == Cell::gru ? 4 : 1;
}

template <class T>
struct Call {
  Cell cell;
  bool reverse;            // walk from each sequence's own end to its start
  bool coupled;            // lstm: f = 1 - i, blocks i g o
  bool identity;           // lstm: h = o * c instead of o * tanh(c)
  bool relu;               // rnn: relu instead of tanh
  std::int64_t steps;      // T
  std::int64_t batch;      // B
  std::int64_t inputs;     // I
  std::int64_t units;      // H
  const T *x;              // (T, B, I)
  const T *h_0;            // (B, H)
  const T *c_0;            // (B, H), lstm
  const T *w_ih;           // (G*H, I)
  const T *w_hh;           // (G*H, H)
  const T *b_ih;           // (G*H) or null
  const T *b_hh;           // (G*H) or null
  const T *peephole;       // i f o (3*H), coupled i o (2*H), or null
  const T *initial_h;      // (H) or null: 0; where a piece begins after a cut
  const T *initial_c;      // (H) or null: 0
  const std::int64_t *lengths;     // (B) or null: all T
  const std::uint8_t *resets;      // (T, B) or null: cut before that step
  const T *recurrent_mask;         // (B, H) or null: multiplies h on its way into w_hh
  const std::uint8_t *keep_h;      // (T, B, H) or null: true keeps the old h
  const std::uint8_t *keep_c;      // (T, B, H) or null
  T zoneout_h, zoneout_c;          // share that is kept where there is no mask; 0: none
  T *y;                    // (T, B, H), set to 0 beyond the lengths
  T *h_n;                  // (B, H)
  T *c_n;                  // (B, H), lstm
  T *saved;                // (T, B, blocks, Hp) or null: activations for the backward
  T *cells;                // (T, B, Hp) or null: c after each step, lstm
};

template <class T>
struct Gradients {
  const T *dy;             // (T, B, H) or null
  const T *dh_n;           // (B, H) or null
  const T *dc_n;           // (B, H) or null
  T *dgates;               // (T, B, blocks, Hp): of the pre-activations, 0 beyond the lengths
  T *dh_0;                 // (B, H)
  T *dc_0;                 // (B, H), lstm
  T *dpeephole;            // as peephole, or null
  T *dinitial_h;           // (H) or null
  T *dinitial_c;           // (H) or null
};

// The rows of one thread, the longest first, so that those still running are a prefix.
struct Rows {
  const std::int64_t *index;    // of the row in the batch
  const std::int64_t *lengths;  // of the same rows
  std::int64_t count;
};

// What one instruction set offers. Weights are packed once a call, then threads run rows.
template <class T>
struct Kernels {
  std::size_t (*packed_size)(const Call<T> &, bool backward);            // elements
  void (*pack)(const Call<T> &, bool backward, T *packed);
  std::size_t (*scratch_size)(const Call<T> &, std::int64_t rows);       // elements, a thread
  void (*forward)(const Call<T> &, const T *packed, Rows, T *scratch);
  void (*backward)(const Call<T> &, const Gradients<T> &, const T *packed, Rows, T *scratch);
};

struct Target {
  const char *name;
  Kernels<float> f32;
  Kernels<double> f64;
};

}  // namespace gatewise
