#include "frozen.h"

#include <numeric>

#include "denormals.h"

namespace gatewise {

template <class T>
Frozen<T>::Frozen(const Call<T> &call, const Kernels<T> &kernels)
    : h(call.batch * call.outputs), c(call.c_0 ? call.batch * call.units : 0), call_(call),
      kernels_(kernels), packed_(kernels.packed_size(call, false)), index_(call.batch),
      lengths_(call.batch, 1) {
  kernels.pack(call, false, packed_.data(), 0, 1);
  std::iota(index_.begin(), index_.end(), 0);
  // The kernels only ask of the weights whether there are any; what they read is packed.
  call_.lengths = nullptr;
  call_.resets = nullptr;
  call_.recurrent_mask = nullptr;
  call_.keep_h = call_.keep_c = nullptr;
  call_.activations = nullptr;
  call_.reverse = false;
  call_.steps = 1;
  scratch_.resize(kernels.scratch_size(call_, call_.batch, false));
}

template <class T>
void Frozen<T>::advance(const T *x, std::int64_t steps, T *y, int threads) {
  call_.x = x;
  call_.y = y;
  call_.steps = steps;
  call_.h_0 = call_.h_n = h.data();
  call_.c_n = c.empty() ? nullptr : c.data();
  call_.c_0 = call_.c_n;
  if (steps != 1 || threads > 1) return forward(call_, kernels_, packed_.data(), threads);
  const FlushDenormals flushing;
  const Share alone{{index_.data(), lengths_.data(), call_.batch}, 0, 1, nullptr, nullptr};
  kernels_.forward(call_, packed_.data(), alone, scratch_.data());
}

template class Frozen<float>;
template class Frozen<double>;

}  // namespace gatewise
