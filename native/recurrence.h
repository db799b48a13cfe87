// A call as a whole: rows handed to threads, weights packed, partial sums added.
#pragma once

#include <cstdint>

#include "api.h"

namespace gatewise {

template <class T>
void forward(const Call<T> &call, const Kernels<T> &kernels, int threads);

template <class T>
void backward(const Call<T> &call, const Gradients<T> &gradients, const Kernels<T> &kernels,
              int threads);

}  // namespace gatewise
