#include "recurrence.h"

#include <algorithm>
#include <memory>
#include <new>
#include <numeric>
#include <vector>

#include "threads.h"

namespace gatewise {
namespace {

constexpr std::size_t ALIGNMENT = 64;

template <class T>
class Buffer {
 public:
  explicit Buffer(std::size_t count)
      : data_(static_cast<T *>(::operator new(std::max<std::size_t>(count, 1) * sizeof(T),
                                              std::align_val_t(ALIGNMENT)))) {}
  ~Buffer() { ::operator delete(data_, std::align_val_t(ALIGNMENT)); }
  Buffer(const Buffer &) = delete;
  T *data() const { return data_; }

 private:
  T *data_;
};

// Rows dealt to threads like cards, the longest first, so that all have as much to do.
struct Deal {
  std::vector<std::int64_t> index, lengths, starts;

  template <class T>
  Deal(const Call<T> &call, int threads) {
    const std::int64_t batch = call.batch;
    std::vector<std::int64_t> order(batch);
    std::iota(order.begin(), order.end(), 0);
    if (call.lengths)
      std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
        return call.lengths[a] > call.lengths[b];
      });
    for (int thread = 0; thread < threads; ++thread) {
      starts.push_back(std::int64_t(index.size()));
      for (std::int64_t k = thread; k < batch; k += threads) {
        index.push_back(order[k]);
        lengths.push_back(call.lengths ? call.lengths[order[k]] : call.steps);
      }
    }
    starts.push_back(std::int64_t(index.size()));
  }

  Rows rows(int thread) const {
    const std::int64_t from = starts[thread];
    return {index.data() + from, lengths.data() + from, starts[thread + 1] - from};
  }
};

template <class T, class Body>
void on_threads(const Deal &deal, int threads, const Body &body) {
  struct Context {
    const Deal &deal;
    const Body &body;
  } context{deal, body};
  run_parallel(
      threads,
      [](void *pointer, int thread) {
        const Context &given = *static_cast<Context *>(pointer);
        given.body(thread, given.deal.rows(thread));
      },
      &context);
}

int useful_threads(std::int64_t batch, int threads) {
  return int(std::max<std::int64_t>(1, std::min<std::int64_t>(batch, threads)));
}

// Scratch for each thread, made before any runs: a thread of the pool must not throw.
template <class T>
class Scratch {
 public:
  Scratch(const Call<T> &call, const Kernels<T> &kernels, const Deal &deal, int threads) {
    for (int thread = 0; thread < threads; ++thread)
      buffers_.push_back(
          std::make_unique<Buffer<T>>(kernels.scratch_size(call, deal.rows(thread).count)));
  }
  T *of(int thread) const { return buffers_[thread]->data(); }

 private:
  std::vector<std::unique_ptr<Buffer<T>>> buffers_;
};

}  // namespace

template <class T>
void forward(const Call<T> &call, const Kernels<T> &kernels, int threads) {
  threads = useful_threads(call.batch, threads);
  const Deal deal(call, threads);
  const Scratch<T> scratch(call, kernels, deal, threads);
  Buffer<T> packed(kernels.packed_size(call, false));
  kernels.pack(call, false, packed.data());
  on_threads<T>(deal, threads, [&](int thread, Rows rows) {
    kernels.forward(call, packed.data(), rows, scratch.of(thread));
  });
}

template <class T>
void backward(const Call<T> &call, const Gradients<T> &gradients, const Kernels<T> &kernels,
              int threads) {
  threads = useful_threads(call.batch, threads);
  const Deal deal(call, threads);
  const Scratch<T> scratch(call, kernels, deal, threads);
  Buffer<T> packed(kernels.packed_size(call, true));
  kernels.pack(call, true, packed.data());
  on_threads<T>(deal, threads, [&](int thread, Rows rows) {
    kernels.backward(call, gradients, packed.data(), rows, scratch.of(thread));
  });

  // Each thread's sums over its rows stand first in its scratch; they are added in its order.
  const std::int64_t units = call.units, wide = padded(units);
  const auto add_up = [&](T *to, std::int64_t block, std::int64_t blocks) {
    if (!to) return;
    for (std::int64_t b = 0; b < blocks; ++b)
      for (std::int64_t u = 0; u < units; ++u) {
        T sum = 0;
        for (int thread = 0; thread < threads; ++thread)
          sum += scratch.of(thread)[(block + b) * wide + u];
        to[b * units + u] = sum;
      }
  };
  add_up(gradients.dpeephole, 0, call.coupled ? 2 : 3);
  add_up(gradients.dinitial_h, 3, 1);
  add_up(gradients.dinitial_c, 4, 1);
}

template void forward(const Call<float> &, const Kernels<float> &, int);
template void forward(const Call<double> &, const Kernels<double> &, int);
template void backward(const Call<float> &, const Gradients<float> &, const Kernels<float> &, int);
template void backward(const Call<double> &, const Gradients<double> &, const Kernels<double> &,
                       int);

}  // namespace gatewise
