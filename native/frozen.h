// A layer with its weights packed for good and a state of its own: sequences come in pieces.
#pragma once

#include <memory>
#include <vector>

#include "recurrence.h"

namespace gatewise {

template <class T>
class Frozen {
 public:
  // Of the call only its cell, sizes, options and weights count; the weights are copied.
  Frozen(const Call<T> &call, const Kernels<T> &kernels);

  // Go on by `steps` steps: x (steps, B, I), y (steps, B, S).
  void advance(const T *x, std::int64_t steps, T *y, int threads);

  // h (B, S) and c (B, H; empty but for the lstm): to be read and written between steps.
  std::vector<T> h, c;

  std::int64_t batch() const { return call_.batch; }
  std::int64_t inputs() const { return call_.inputs; }
  std::int64_t outputs() const { return call_.outputs; }

 private:
  Call<T> call_;
  const Kernels<T> kernels_;
  std::vector<T> packed_, scratch_;
  std::vector<std::int64_t> index_, lengths_;  // of single steps
};

}  // namespace gatewise
