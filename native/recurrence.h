// A call as a whole: rows handed to threads, weights packed, partial sums added.
#pragma once

#include <cstdint>

#include "api.h"

namespace gatewise {

// With weights that the same kernels packed, or null: packed here.
template <class T>
void forward(const Call<T> &call, const Kernels<T> &kernels, const T *packed, int threads);

template <class T>
void backward(const Call<T> &call, const Gradients<T> &gradients, const Kernels<T> &kernels,
              int threads);

// Draw all bits.
void draw(const Draw &draw, const Target &target, int threads);

// Billions of operations a second that the instruction set can do at most, on all threads together.
double peak_gflops(const Kernels<float> &kernels, int threads);

}  // namespace gatewise
