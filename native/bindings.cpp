// The core as a Python module: structures of sizes and addresses, and the calls that take them.
//
// Addresses come as integers from tensors that the caller keeps alive, dense and of the right type. The interpreter's lock is given up while a call runs.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/array.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <thread>
#include <tuple>

#include "frozen.h"
#include "recurrence.h"
#include "targets.h"

namespace nb = nanobind;
using namespace gatewise;

namespace {

// Gives up the interpreter's lock. A thread that wants it back while the interpreter ends would be
// ended by Python through frames that cannot be unwound: it sleeps until the process is gone, which
// is what Python itself does from 3.14 on.
class Unlocked {
 public:
  Unlocked() : state_(PyEval_SaveThread()) {}
  Unlocked(const Unlocked &) = delete;
  Unlocked &operator=(const Unlocked &) = delete;
  ~Unlocked() {
    while (is_ending()) std::this_thread::sleep_for(std::chrono::hours(1));
    PyEval_RestoreThread(state_);
  }

 private:
  static bool is_ending() {
#if PY_VERSION_HEX >= 0x030D0000
    return Py_IsFinalizing();
#else
    return _Py_IsFinalizing();
#endif
  }
  PyThreadState *state_;
};

// A tensor that a caller hands over, and how many elements the call's sizes want of it.
template <class T>
struct Given {
  const char *name;
  void (*set)(Call<T> &, std::uintptr_t);
  std::int64_t (*wanted)(const Call<T> &);
};

#define GATEWISE_GIVEN(member, wanted_count)                                           \
  {                                                                                    \
    #member,                                                                           \
        [](Call<T> &c, std::uintptr_t at) {                                            \
          c.member = reinterpret_cast<decltype(c.member)>(at);                         \
        },                                                                             \
        [](const Call<T> &c) -> std::int64_t { return wanted_count; }                  \
  }

inline std::int64_t gates(Cell cell) {
  return cell == Cell::lstm ? 4 : cell == Cell::rnn ? 1 : 3;
}

// All tensors that go in, in the order in which callers list them.
template <class T>
const std::vector<Given<T>> &givens() {
  static const std::vector<Given<T>> all = {
      GATEWISE_GIVEN(x, c.steps * c.batch * c.inputs),
      GATEWISE_GIVEN(h_0, c.batch * c.outputs),
      GATEWISE_GIVEN(c_0, c.batch * c.units),
      GATEWISE_GIVEN(w_ih, gates(c.cell) * c.units * c.inputs),
      GATEWISE_GIVEN(w_hh, gates(c.cell) * c.units * c.outputs),
      GATEWISE_GIVEN(b_ih, gates(c.cell) * c.units),
      GATEWISE_GIVEN(b_hh, gates(c.cell) * c.units),
      GATEWISE_GIVEN(w_hr, c.outputs * c.units),
      GATEWISE_GIVEN(w_peephole, (c.cell == Cell::lstm_coupled ? 2 : 3) * c.units),
      GATEWISE_GIVEN(w_ln_ih, gates(c.cell) * c.units),
      GATEWISE_GIVEN(w_ln_hh, gates(c.cell) * c.units),
      GATEWISE_GIVEN(w_ln_c, c.units),
      GATEWISE_GIVEN(b_ln_c, c.units),
      GATEWISE_GIVEN(initial_h, c.outputs),
      GATEWISE_GIVEN(initial_c, c.units),
      GATEWISE_GIVEN(lengths, c.batch),
      GATEWISE_GIVEN(resets, c.steps * c.batch),
      GATEWISE_GIVEN(recurrent_mask, c.batch * c.outputs),
      GATEWISE_GIVEN(keep_h, c.steps * c.batch * c.outputs),
      GATEWISE_GIVEN(keep_c, c.steps * c.batch * c.units),
  };
  return all;
}

// A length beyond the input would lead beyond its memory.
template <class T>
void check_lengths(const Call<T> &call) {
  for (std::int64_t row = 0; call.lengths && row < call.batch; ++row)
    if (call.lengths[row] < 0 || call.lengths[row] > call.steps)
      throw std::invalid_argument("lengths must lie between 0 and the input's " +
                                  std::to_string(call.steps) + " steps; got " +
                                  std::to_string(call.lengths[row]));
}

// Take the tensors: for each its address and its number of elements, -1 where there is none.
template <class T>
void take(Call<T> &call, const std::vector<std::uintptr_t> &addresses,
          const std::vector<std::int64_t> &counts) {
  const auto &all = givens<T>();
  if (addresses.size() != all.size() || counts.size() != all.size())
    throw std::invalid_argument("the core takes " + std::to_string(all.size()) + " tensors");
  for (std::size_t k = 0; k < all.size(); ++k) {
    if (counts[k] >= 0 && counts[k] != all[k].wanted(call))
      throw std::invalid_argument(std::string(all[k].name) + " must have " +
                                  std::to_string(all[k].wanted(call)) + " elements; got " +
                                  std::to_string(counts[k]));
    all[k].set(call, addresses[k]);
  }
  check_lengths(call);
}

template <class T>
Kernels<T> kernels_of(const Target &target);
template <>
Kernels<float> kernels_of(const Target &target) {
  return target.f32;
}
template <>
Kernels<double> kernels_of(const Target &target) {
  return target.f64;
}

template <class T>
void bind(nb::module_ &module, const std::string &type) {
  using C = Call<T>;
  using G = Gradients<T>;
  nb::class_<C> call(module, ("Call" + type).c_str());
  call.def(
      "__init__",
      [](C *place, Cell cell, bool reverse, bool identity, bool relu, T zoneout_h, T zoneout_c,
         const std::array<std::int64_t, 5> &sizes) {
        C made{};
        made.cell = cell;
        made.reverse = reverse;
        made.identity = identity;
        made.relu = relu;
        made.zoneout_h = zoneout_h;
        made.zoneout_c = zoneout_c;
        std::tie(made.steps, made.batch, made.inputs, made.units, made.outputs) =
            std::tie(sizes[0], sizes[1], sizes[2], sizes[3], sizes[4]);
        new (place) C(made);
      },
      nb::arg("cell"), nb::arg("reverse"), nb::arg("identity"), nb::arg("relu"),
      nb::arg("zoneout_h"), nb::arg("zoneout_c"), nb::arg("sizes"));
  call.def("take", &take<T>, nb::arg("addresses"), nb::arg("counts"));
  call.def(
      "give",
      [](C &given, std::uintptr_t y, std::uintptr_t h_n, std::uintptr_t c_n,
         std::uintptr_t activations) {
        given.y = reinterpret_cast<T *>(y);
        given.h_n = reinterpret_cast<T *>(h_n);
        given.c_n = reinterpret_cast<T *>(c_n);
        given.activations = reinterpret_cast<T *>(activations);
      },
      nb::arg("y"), nb::arg("h_n"), nb::arg("c_n"), nb::arg("activations"));

  nb::class_<G>(module, ("Gradients" + type).c_str())
      .def(
          "__init__",
          [](G *place, const std::array<std::uintptr_t, 3> &given,
             const std::array<std::uintptr_t, 15> &wanted) {
            static_assert(sizeof(G) == sizeof given + sizeof wanted);
            G made{};
            std::memcpy(&made, given.data(), sizeof given);
            std::memcpy(&made.dx, wanted.data(), sizeof wanted);
            new (place) G(made);
          },
          nb::arg("given"), nb::arg("wanted"));

  module.def(
      "forward",
      [](const C &given, const std::string &name, int threads) {
        forward<T>(given, kernels_of<T>(target(name)), nullptr, threads);
      },
      nb::arg("call"), nb::arg("target"), nb::arg("threads"),
      nb::call_guard<Unlocked>());
  module.def(
      "backward",
      [](const C &given, const G &wanted, const std::string &name, int threads) {
        backward(given, wanted, kernels_of<T>(target(name)), threads);
      },
      nb::arg("call"), nb::arg("gradients"), nb::arg("target"), nb::arg("threads"),
      nb::call_guard<Unlocked>());

  using F = Frozen<T>;
  using Sequence = nb::ndarray<T, nb::ndim<3>, nb::c_contig, nb::device::cpu>;
  using ReadOnly = nb::ndarray<const T, nb::ndim<3>, nb::c_contig, nb::device::cpu>;
  nb::class_<F> frozen(module, ("Frozen" + type).c_str());
  frozen.def(
      "__init__",
      [](F *place, const C &given, const std::string &name) {
        new (place) F(given, kernels_of<T>(target(name)));
      },
      nb::arg("call"), nb::arg("target"));
  frozen.def(
      "advance",
      [](F &self, const ReadOnly &x, const Sequence &y, int threads) {
        const bool fits = x.shape(1) == std::size_t(self.batch()) &&
                          x.shape(2) == std::size_t(self.inputs()) && y.shape(0) == x.shape(0) &&
                          y.shape(1) == x.shape(1) && y.shape(2) == std::size_t(self.outputs());
        if (!fits) throw std::invalid_argument("x or y has not the shape that the layer takes");
        const Unlocked released;
        self.advance(x.data(), std::int64_t(x.shape(0)), y.data(), threads);
      },
      nb::arg("x").noconvert(), nb::arg("y").noconvert(), nb::arg("threads") = 1);
  const auto part = [&](const char *name, std::vector<T> F::*member) {
    frozen.def_prop_ro(
        name,
        [member](F &self) {
          std::vector<T> &values = self.*member;
          return nb::ndarray<nb::numpy, T, nb::ndim<2>>(
              values.data(), {std::size_t(self.batch()), values.size() / std::size_t(self.batch())});
        },
        nb::rv_policy::reference_internal);
  };
  part("h", &F::h);
  part("c", &F::c);
}

}  // namespace

NB_MODULE(_native, module) {
  // A daemon thread that is in a call when the interpreter ends keeps its structures.
  nb::set_leak_warnings(false);
  nb::enum_<Cell>(module, "Cell")
      .value("lstm", Cell::lstm)
      .value("lstm_coupled", Cell::lstm_coupled)
      .value("gru", Cell::gru)
      .value("gru_reset_before", Cell::gru_reset_before)
      .value("rnn", Cell::rnn);
  module.def("available_targets", &available_targets);
  module.def(
      "activations",
      [](Cell cell, std::int64_t units, std::int64_t outputs, bool has_projection, bool has_norm) {
        const float any = 0;  // its address is not followed
        Call<float> call{};
        call.cell = cell;
        call.units = units;
        call.outputs = outputs;
        call.w_hr = has_projection ? &any : nullptr;
        call.w_ln_hh = has_norm ? &any : nullptr;
        return target("baseline").f32.activations(call);
      },
      nb::arg("cell"), nb::arg("units"), nb::arg("outputs"), nb::arg("has_projection"),
      nb::arg("has_norm"));
  module.def(
      "peak_gflops",
      [](const std::string &name, int threads) { return peak_gflops(target(name).f32, threads); },
      nb::arg("target"), nb::arg("threads"), nb::call_guard<Unlocked>());
  bind<float>(module, "Float32");
  bind<double>(module, "Float64");
}
