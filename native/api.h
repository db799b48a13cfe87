// One layer, one direction, a whole sequence: what a recurrence is given, and the functions that do it.
//
// Shapes: T steps, B rows (sequences), I input features, H units, S width of h (H, or P with a
// projection), G gates in the weights. Hp, Sp: rounded up to PAD. Arrays are dense and row-major;
// sizes are in elements.
//
// The kernels know nothing of Python or torch, allocate nothing and throw nothing.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gatewise {

constexpr std::int64_t PAD = 16;  // units are rounded up to this in all buffers of our own

inline std::int64_t padded(std::int64_t units) { return (units + PAD - 1) / PAD * PAD; }

enum class Cell : std::int32_t { lstm, lstm_coupled, gru, gru_reset_before, rnn };

template <class T>
struct Call {
  Cell cell;
  bool reverse;            // walk from each sequence's own end to its start
  bool identity;           // lstm: h = o * c instead of o * tanh(c)
  bool relu;               // rnn: relu instead of tanh
  std::int64_t steps;      // T
  std::int64_t batch;      // B
  std::int64_t inputs;     // I
  std::int64_t units;      // H
  std::int64_t outputs;    // S
  const T *x;              // (T, B, I)
  const T *h_0;            // (B, S)
  const T *c_0;            // (B, H), lstm
  const T *w_ih;           // (G*H, I)
  const T *w_hh;           // (G*H, S)
  const T *b_ih;           // (G*H) or null
  const T *b_hh;           // (G*H) or null
  const T *w_hr;           // (S, H) or null: projection of the lstm's output
  const T *w_peephole;     // i f o (3*H), coupled i o (2*H), or null
  const T *w_ln_ih;        // (G*H) or null: gain of the layer norm of W_ih x
  const T *w_ln_hh;        // (G*H) or null: of W_hh h; with it
  const T *w_ln_c;         // (H) or null: of the lstm's c on its way out; with them
  const T *b_ln_c;         // (H) or null
  const T *initial_h;      // (S) or null: 0; where a piece begins after a cut
  const T *initial_c;      // (H) or null: 0
  const std::int64_t *lengths;     // (B) or null: all T
  const std::uint8_t *resets;      // (T, B) or null: cut before that step
  const T *recurrent_mask;         // (B, S) or null: multiplies h on its way into w_hh
  const std::uint8_t *keep_h;      // (T, B, S) or null: true keeps the old h
  const std::uint8_t *keep_c;      // (T, B, H) or null
  T zoneout_h, zoneout_c;          // share that is kept where there is no mask; 0: none
  T *y;                    // (T, B, S), set to 0 beyond the lengths
  T *h_n;                  // (B, S)
  T *c_n;                  // (B, H), lstm
  T *activations;          // T * B * activations(call) elements, or null: what the backward needs
};

// Gradients that are not wanted are null, but for those of the state. The backward writes its own
// intermediate gradients over the activations.
template <class T>
struct Gradients {
  const T *dy;             // (T, B, S) or null
  const T *dh_n;           // (B, S) or null
  const T *dc_n;           // (B, H) or null
  T *dx;                   // as the tensors of the call
  T *dh_0;
  T *dc_0;
  T *dw_ih;
  T *dw_hh;
  T *db_ih;
  T *db_hh;
  T *dw_hr;
  T *dw_peephole;
  T *dw_ln_ih;
  T *dw_ln_hh;
  T *dw_ln_c;
  T *db_ln_c;
  T *dinitial_h;
  T *dinitial_c;
};

// The rows of one thread, the longest first, so that those still running are a prefix.
struct Rows {
  const std::int64_t *index;    // of the row in the batch
  const std::int64_t *lengths;  // of the same rows
  std::int64_t count;
};

// What one thread of a call does: all units of some rows, alone; or some units of all rows, with
// the other threads, which wait for each other.
struct Share {
  Rows rows;
  int rank, size;                   // of the threads that wait for each other; 0, 1: alone
  void (*meet)(void *);
  void *meeting;

  void wait() const {
    if (size > 1) meet(meeting);
  }
};

// What one instruction set offers. Weights are packed once a call, then threads take shares.
template <class T>
struct Kernels {
  std::size_t (*activations)(const Call<T> &);                           // elements, a row and step
  std::size_t (*packed_size)(const Call<T> &, bool backward);            // elements
  void (*pack)(const Call<T> &, bool backward, T *packed, int rank, int size);  // a part of it
  std::size_t (*scratch_size)(const Call<T> &, std::int64_t rows, bool backward);
  void (*forward)(const Call<T> &, const T *packed, const Share &, T *scratch);
  void (*backward)(const Call<T> &, const Gradients<T> &, const T *packed, const Share &,
                   T *scratch);
  // After the backward: the rank's part of dx and of the gradients of the weights; `rows` are all.
  std::size_t (*products_scratch)(const Call<T> &);
  void (*products)(const Call<T> &, const Gradients<T> &, const T *packed, const Share &,
                   T *scratch);
  // Sums over rows that the backward left in a scratch: where they stand, and how many elements.
  std::size_t (*sums)(const Call<T> &);
  void (*unpack_sums)(const Call<T> &, const Gradients<T> &, const T *sums);
  double (*peak)(std::int64_t rounds);                                   // operations done
};

// Bits that are set with probability threshold / 2^32, one stream of masks.
struct Draw {
  std::int64_t seed, steps, batch, units;
  std::uint32_t stream;
  std::uint64_t threshold;
  std::uint8_t *bits;  // (T, B, units)
};

struct Target {
  const char *name;
  Kernels<float> f32;
  Kernels<double> f64;
  void (*draw)(const Draw &, std::int64_t from, std::int64_t to);  // rows of all steps
};

}  // namespace gatewise
