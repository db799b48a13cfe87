// The functions that gates are made of, as one instruction set's kernels have them.
#pragma once

#include <cstdint>

namespace gatewise {

// From `count` numbers at `x`, a multiple of 16, to as many at `y`.
template <class T>
using Function = void (*)(const T *x, T *y, std::int64_t count);

template <class T>
struct Functions {
  Function<T> sigmoid, tanh;
};

struct TargetFunctions {
  const char *name;
  bool is_fused;  // a * b + c is rounded once
  Functions<float> f32;
  Functions<double> f64;
};

}  // namespace gatewise
