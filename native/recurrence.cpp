#include "recurrence.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <numeric>
#include <vector>

#include "denormals.h"
#include "memory.h"
#include "threads.h"

namespace gatewise {
namespace {

template <class T>
class Buffer {
 public:
  explicit Buffer(std::size_t count) : memory_(count * sizeof(T)) {}
  T *data() const { return static_cast<T *>(memory_.data()); }

 private:
  Memory memory_;
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

template <class Body>
void on_team(int threads, const Body &body) {
  run_team(
      threads,
      [](void *pointer, int rank, int size) {
        const FlushDenormals flushing;
        (*static_cast<const Body *>(pointer))(rank, size);
      },
      const_cast<Body *>(&body));
}

// How a call is shared out: each thread takes all units of some rows, without ever waiting; or,
// where they are few, some units of all rows, and the threads wait for each other in every step.
template <class T>
class Plan {
 public:
  Plan(const Call<T> &call, int threads)
      : threads_(useful_threads(call, threads)), by_units_(splits_units(call, threads_)),
        deal_(call, by_units_ ? 1 : threads_) {}

  int pieces() const { return by_units_ ? 1 : threads_; }
  std::int64_t rows(int piece) const { return deal_.rows(piece).count; }

  // Call body(piece, share) on all threads.
  template <class Body>
  void run(const Body &body) const {
    Barrier barrier;
    on_team(threads_, [&](int rank, int size) {
      if (by_units_) {
        Meeting meeting{&barrier, size};
        body(0, Share{deal_.rows(0), rank, size, meet, &meeting});
      } else {
        for (int piece = rank; piece < threads_; piece += size)
          body(piece, Share{deal_.rows(piece), 0, 1, nullptr, nullptr});
      }
    });
  }

 private:
  struct Meeting {
    Barrier *barrier;
    int size;
  };
  static void meet(void *pointer) {
    const Meeting &meeting = *static_cast<Meeting *>(pointer);
    meeting.barrier->wait(meeting.size);
  }

  static int useful_threads(const Call<T> &call, int threads) {
    const std::int64_t most = std::max(call.batch, padded(call.units) / PAD);
    return int(std::max<std::int64_t>(1, std::min<std::int64_t>(most, threads)));
  }

  static bool splits_units(const Call<T> &call, int threads) {
    const std::int64_t rows = (call.batch + threads - 1) / threads;
    const std::int64_t weights = 4 * call.units * call.outputs;
    return threads > 1 && rows < ENOUGH_ROWS && weights >= ENOUGH_WEIGHTS;
  }

  // A thread with so many rows of its own reads its weights often enough for what it does with them.
  static constexpr std::int64_t ENOUGH_ROWS = 8;
  // A step with fewer is over before the threads have met.
  static constexpr std::int64_t ENOUGH_WEIGHTS = 8192;

  const int threads_;
  const bool by_units_;
  const Deal deal_;
};

// Scratch for each piece, made before any thread runs: one of the pool must not throw.
template <class T>
class Scratch {
 public:
  Scratch(const Call<T> &call, const Kernels<T> &kernels, const Plan<T> &plan, bool backward) {
    for (int piece = 0; piece < plan.pieces(); ++piece)
      add(kernels.scratch_size(call, plan.rows(piece), backward));
  }
  Scratch(std::size_t size, int pieces) {
    for (int piece = 0; piece < pieces; ++piece) add(size);
  }
  T *of(int piece) const { return buffers_[piece]->data(); }

 private:
  void add(std::size_t size) { buffers_.push_back(std::make_unique<Buffer<T>>(size)); }

  std::vector<std::unique_ptr<Buffer<T>>> buffers_;
};

}  // namespace

template <class T>
void pack(const Call<T> &call, const Kernels<T> &kernels, bool backward, T *packed, int threads) {
  constexpr std::int64_t ENOUGH = 1 << 16;  // elements, from which on threads pay
  const std::int64_t elements = call.units * (call.inputs + call.outputs);
  on_team(elements < ENOUGH ? 1 : threads,
          [&](int rank, int size) { kernels.pack(call, backward, packed, rank, size); });
}

template <class T>
void forward(const Call<T> &call, const Kernels<T> &kernels, const T *packed, int threads) {
  const Plan<T> plan(call, threads);
  const Scratch<T> scratch(call, kernels, plan, false);
  Buffer<T> own(packed ? 0 : kernels.packed_size(call, false));
  if (!packed) {
    pack(call, kernels, false, own.data(), threads);
    packed = own.data();
  }
  plan.run([&](int piece, const Share &share) {
    kernels.forward(call, packed, share, scratch.of(piece));
  });
}

template <class T>
void backward(const Call<T> &call, const Gradients<T> &gradients, const Kernels<T> &kernels,
              int threads) {
  const Plan<T> plan(call, threads);
  const Scratch<T> scratch(call, kernels, plan, true);
  Buffer<T> packed(kernels.packed_size(call, true));
  pack(call, kernels, true, packed.data(), threads);
  plan.run([&](int piece, const Share &share) {
    kernels.backward(call, gradients, packed.data(), share, scratch.of(piece));
  });

  // Each piece's sums over its rows stand first in its scratch; they are added in its order.
  T *sums = scratch.of(0);
  for (int piece = 1; piece < plan.pieces(); ++piece)
    for (std::size_t k = 0; k < kernels.sums(call); ++k) sums[k] += scratch.of(piece)[k];
  kernels.unpack_sums(call, gradients, sums);

  const Deal all(call, 1);
  const Scratch<T> panels(kernels.products_scratch(call), threads);
  on_team(threads, [&](int rank, int size) {
    kernels.products(call, gradients, packed.data(), Share{all.rows(0), rank, size, nullptr, nullptr},
                     panels.of(rank));
  });
}

void draw(const Draw &draw, const Target &target, int threads) {
  constexpr std::int64_t ENOUGH = 1 << 15;  // bits, from which on threads pay
  const std::int64_t rows = draw.steps * draw.batch;
  on_team(rows * draw.units < ENOUGH ? 1 : threads, [&](int rank, int size) {
    target.draw(draw, rows * rank / size, rows * (rank + 1) / size);
  });
}

double peak_gflops(const Kernels<float> &kernels, int threads) {
  constexpr std::int64_t ROUNDS = 2'000'000;
  constexpr int TRIALS = 5;
  double best = 0;
  for (int trial = 0; trial < TRIALS; ++trial) {
    std::atomic<double> operations{0};
    const auto start = std::chrono::steady_clock::now();
    on_team(threads, [&](int, int) { operations.fetch_add(kernels.peak(ROUNDS)); });
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    best = std::max(best, operations.load() / took.count() / 1e9);
  }
  return best;
}

template void forward(const Call<float> &, const Kernels<float> &, const float *, int);
template void forward(const Call<double> &, const Kernels<double> &, const double *, int);
template void backward(const Call<float> &, const Gradients<float> &, const Kernels<float> &, int);
template void backward(const Call<double> &, const Gradients<double> &, const Kernels<double> &,
                       int);

}  // namespace gatewise
