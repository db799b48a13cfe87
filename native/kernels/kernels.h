// The table of functions that one instruction set offers.
#pragma once

#include "forward.h"
#include "gradients.h"
#include "random.h"

namespace gatewise {
namespace {

// Call body.template operator()<CELL>() with the cell of a call.
template <class T, class Body>
auto with_cell(const Call<T> &call, Body &&body) {
  switch (call.cell) {
    case Cell::lstm: return body.template operator()<Cell::lstm>();
    case Cell::lstm_coupled: return body.template operator()<Cell::lstm_coupled>();
    case Cell::gru: return body.template operator()<Cell::gru>();
    case Cell::gru_reset_before: return body.template operator()<Cell::gru_reset_before>();
    default: return body.template operator()<Cell::rnn>();
  }
}

// Multiply and add in registers alone, which nothing else on the machine can outrun.
template <class T>
double peak(std::int64_t rounds) {
  constexpr int CHAINS = 12;
  Vec<T> sums[CHAINS];  // that differ, so that none can stand for another
  for (int n = 0; n < CHAINS; ++n) sums[n] = broadcast(T(n));
  const Vec<T> a = broadcast(T(0.999)), b = broadcast(T(1e-6));
  for (std::int64_t k = 0; k < rounds; ++k)
#pragma GCC unroll 12
    for (int n = 0; n < CHAINS; ++n) sums[n] = sums[n] * a + b;
  for (int n = 1; n < CHAINS; ++n) sums[0] += sums[n];
  volatile T kept = sums[0][0];
  (void)kept;
  return 2.0 * double(rounds) * CHAINS * LANES<T>;
}

template <class T>
Kernels<T> kernels() {
  Kernels<T> table{};
  table.activations = [](const Call<T> &call) {
    return with_cell(call, [&]<Cell C>() {
      return std::size_t(Layout<T, C>(call).activations(nullptr, 1).size);
    });
  };
  table.packed_size = [](const Call<T> &call, bool backward) {
    return with_cell(call, [&]<Cell C>() {
      const Layout<T, C> layout(call);
      return std::size_t(backward ? layout.backward_size() : layout.forward_size());
    });
  };
  table.pack = [](const Call<T> &call, bool backward, T *packed, int rank, int size) {
    with_cell(call, [&]<Cell C>() {
      const Layout<T, C> layout(call);
      backward ? layout.pack_backward(packed, rank, size) : layout.pack_forward(packed, rank, size);
    });
  };
  table.scratch_size = [](const Call<T> &call, std::int64_t rows, bool backward) {
    return with_cell(call, [&]<Cell C>() {
      const Share share{{nullptr, nullptr, rows}, 0, 1, nullptr, nullptr};
      if (!backward) return std::size_t(Forward<T, C>(call, nullptr, share, nullptr).divide(nullptr));
      const Gradients<T> none{};
      return std::size_t(Backward<T, C>(call, none, nullptr, share, nullptr).divide(nullptr));
    });
  };
  table.forward = [](const Call<T> &call, const T *packed, const Share &share, T *scratch) {
    with_cell(call, [&]<Cell C>() { Forward<T, C>(call, packed, share, scratch).run(); });
  };
  table.backward = [](const Call<T> &call, const Gradients<T> &grad, const T *packed,
                      const Share &share, T *scratch) {
    with_cell(call, [&]<Cell C>() { Backward<T, C>(call, grad, packed, share, scratch).run(); });
  };
  table.products_scratch = [](const Call<T> &call) {
    return with_cell(call, [&]<Cell C>() {
      const Share share{{}, 0, 1, nullptr, nullptr};
      const Gradients<T> none{};
      return std::size_t(Products<T, C>(call, none, nullptr, share, nullptr).divide(nullptr));
    });
  };
  table.products = [](const Call<T> &call, const Gradients<T> &grad, const T *packed,
                      const Share &share, T *scratch) {
    with_cell(call, [&]<Cell C>() { Products<T, C>(call, grad, packed, share, scratch).run(); });
  };
  table.sums = [](const Call<T> &call) {
    return with_cell(call, [&]<Cell C>() {
      return std::size_t(Backward<T, C>::sums_size(Layout<T, C>(call)));
    });
  };
  table.unpack_sums = [](const Call<T> &call, const Gradients<T> &grad, const T *sums) {
    with_cell(call, [&]<Cell C>() { unpack_sums(Layout<T, C>(call), grad, sums); });
  };
  table.peak = peak<T>;
  return table;
}

}  // namespace
}  // namespace gatewise
