// The core as a Python module: structures of sizes and addresses, and the calls that take them.
//
// Tensors are asked by their Python methods, so that nothing of torch is compiled in, and live as
// long as the structures that point to them. The interpreter's lock is given up while a call runs.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/array.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
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

// A name that is looked up often.
PyObject *name(const char *text) { return PyUnicode_InternFromString(text); }

nb::object ask(nb::handle tensor, PyObject *method) {
  PyObject *answer = PyObject_CallMethodNoArgs(tensor.ptr(), method);
  if (!answer) throw nb::python_error();
  return nb::steal(answer);
}

// The tensor itself, or a copy where its memory is not just its numbers in order.
nb::object dense(nb::handle tensor) {
  static PyObject *const is_neg = name("is_neg"), *const resolve_neg = name("resolve_neg"),
                  *const contiguous = name("contiguous");
  const bool is_negated = ask(tensor, is_neg).is(Py_True);
  return ask(is_negated ? ask(tensor, resolve_neg) : nb::borrow(tensor), contiguous);
}

std::uintptr_t address(nb::handle tensor) {
  static PyObject *const data_ptr = name("data_ptr");
  return nb::cast<std::uintptr_t>(ask(tensor, data_ptr));
}

std::int64_t count(nb::handle tensor) {
  static PyObject *const numel = name("numel");
  return nb::cast<std::int64_t>(ask(tensor, numel));
}

nb::object attribute(nb::handle tensor, PyObject *name) {
  PyObject *found = PyObject_GetAttr(tensor.ptr(), name);
  if (!found) throw nb::python_error();
  return nb::steal(found);
}

nb::object type_of(nb::handle tensor) {
  static PyObject *const dtype = name("dtype");
  return attribute(tensor, dtype);
}

// A structure, and the tensors that it points to.
template <class Structure>
struct Holding {
  Structure structure{};
  std::vector<nb::object> tensors;

  std::uintptr_t hold(nb::object tensor) {
    tensors.push_back(std::move(tensor));
    return address(tensors.back());
  }
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

void check_type(const char *given, nb::handle wanted, nb::handle found, nb::handle type_of_x) {
  if (found.is(wanted)) return;
  const std::string must = wanted.is(type_of_x)
                               ? "x has dtype " + std::string(nb::str(wanted).c_str()) + ", so " +
                                     given + " must have too"
                               : std::string(given) + " must have dtype " + nb::str(wanted).c_str();
  throw nb::value_error((must + "; got " + nb::str(found).c_str() + ".").c_str());
}

void check_count(const char *given, std::int64_t wanted, std::int64_t found) {
  if (found != wanted)
    throw std::invalid_argument(std::string(given) + " must have " + std::to_string(wanted) +
                                " elements; got " + std::to_string(found));
}

void check_device(const char *given, nb::handle tensor) {
  static PyObject *const is_cpu = name("is_cpu"), *const device = name("device");
  if (attribute(tensor, is_cpu).is(Py_True)) return;
  throw nb::value_error((std::string("x is on the CPU, so ") + given + " must be too; it is on " +
                         nb::str(attribute(tensor, device)).c_str() + ".")
                            .c_str());
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

// Take the tensors, None where there is none, each of the type that stands in its place in `types`.
template <class T>
void take(Holding<Call<T>> &holding, const nb::tuple &tensors, const nb::tuple &types) {
  const auto &all = givens<T>();
  if (tensors.size() != all.size() || types.size() != all.size())
    throw std::invalid_argument("the core takes " + std::to_string(all.size()) + " tensors");
  for (std::size_t k = 0; k < all.size(); ++k) {
    const nb::handle tensor = PyTuple_GET_ITEM(tensors.ptr(), k);
    if (tensor.is_none()) continue;
    check_type(all[k].name, PyTuple_GET_ITEM(types.ptr(), k), type_of(tensor),
               PyTuple_GET_ITEM(types.ptr(), 0));
    check_device(all[k].name, tensor);
    check_count(all[k].name, all[k].wanted(holding.structure), count(tensor));
    all[k].set(holding.structure, holding.hold(dense(tensor)));
  }
  check_lengths(holding.structure);
}

Cell cell_of(const std::string &name) {
  static const std::pair<const char *, Cell> all[] = {{"lstm", Cell::lstm},
                                                      {"lstm_coupled", Cell::lstm_coupled},
                                                      {"gru", Cell::gru},
                                                      {"gru_reset_before", Cell::gru_reset_before},
                                                      {"rnn", Cell::rnn}};
  for (const auto &[known, cell] : all)
    if (name == known) return cell;
  throw std::invalid_argument("no such cell: " + name);
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
  using C = Holding<Call<T>>;
  using G = Holding<Gradients<T>>;
  nb::class_<C> call(module, ("Call" + type).c_str());
  call.def(
      "__init__",
      [](C *place, const std::string &cell, bool reverse, bool identity, bool relu, T zoneout_h,
         T zoneout_c, const std::array<std::int64_t, 5> &sizes, const nb::tuple &tensors,
         const nb::tuple &types) {
        C holding;
        Call<T> &made = holding.structure;
        made.cell = cell_of(cell);
        made.reverse = reverse;
        made.identity = identity;
        made.relu = relu;
        made.zoneout_h = zoneout_h;
        made.zoneout_c = zoneout_c;
        std::tie(made.steps, made.batch, made.inputs, made.units, made.outputs) =
            std::tie(sizes[0], sizes[1], sizes[2], sizes[3], sizes[4]);
        take(holding, tensors, types);
        new (place) C(std::move(holding));
      },
      nb::arg("cell"), nb::arg("reverse"), nb::arg("identity"), nb::arg("relu"),
      nb::arg("zoneout_h"), nb::arg("zoneout_c"), nb::arg("sizes"), nb::arg("tensors"),
      nb::arg("types"));
  call.def(
      "give",
      [](C &holding, std::uintptr_t y, std::uintptr_t h_n, std::uintptr_t c_n,
         std::uintptr_t activations) {
        Call<T> &given = holding.structure;
        given.y = reinterpret_cast<T *>(y);
        given.h_n = reinterpret_cast<T *>(h_n);
        given.c_n = reinterpret_cast<T *>(c_n);
        given.activations = reinterpret_cast<T *>(activations);
      },
      nb::arg("y"), nb::arg("h_n"), nb::arg("c_n"), nb::arg("activations"));

  // `given` are dy, dh_n, dc_n; `wanted`, to be written, as the inputs of the call.
  nb::class_<G>(module, ("Gradients" + type).c_str())
      .def(
          "__init__",
          [](G *place, const nb::tuple &given, const nb::list &wanted) {
            constexpr std::size_t GIVEN = 3;
            std::array<std::uintptr_t, GIVEN + 15> addresses{};
            static_assert(sizeof(Gradients<T>) == sizeof addresses);
            if (given.size() + wanted.size() != addresses.size() || given.size() != GIVEN)
              throw std::invalid_argument("the core takes 3 gradients and gives 15");
            G holding;
            for (std::size_t k = 0; k < addresses.size(); ++k) {
              const nb::handle tensor = k < GIVEN ? PyTuple_GET_ITEM(given.ptr(), k)
                                                  : PyList_GET_ITEM(wanted.ptr(), k - GIVEN);
              if (!tensor.is_none())
                addresses[k] = holding.hold(k < GIVEN ? dense(tensor) : nb::borrow(tensor));
            }
            std::memcpy(&holding.structure, addresses.data(), sizeof addresses);
            new (place) G(std::move(holding));
          },
          nb::arg("given"), nb::arg("wanted"));

  module.def(
      "forward",
      [](const C &given, const std::string &name, int threads) {
        forward<T>(given.structure, kernels_of<T>(target(name)), nullptr, threads);
      },
      nb::arg("call"), nb::arg("target"), nb::arg("threads"),
      nb::call_guard<Unlocked>());
  // The state's gradients are carried through time, wanted or not.
  module.def(
      "backward",
      [](const C &given, const G &wanted, const std::string &name, int threads) {
        const Call<T> &call = given.structure;
        Gradients<T> all = wanted.structure;
        std::vector<T> dh_0(all.dh_0 ? 0 : call.batch * call.outputs);
        std::vector<T> dc_0(all.dc_0 || !call.c_0 ? 0 : call.batch * call.units);
        if (!all.dh_0) all.dh_0 = dh_0.data();
        if (!all.dc_0 && call.c_0) all.dc_0 = dc_0.data();
        backward(call, all, kernels_of<T>(target(name)), threads);
      },
      nb::arg("call"), nb::arg("gradients"), nb::arg("target"), nb::arg("threads"),
      nb::call_guard<Unlocked>());

  using F = Frozen<T>;
  using Sequence = nb::ndarray<T, nb::c_contig, nb::device::cpu>;
  using ReadOnly = nb::ndarray<const T, nb::c_contig, nb::device::cpu>;
  nb::class_<F> frozen(module, ("Frozen" + type).c_str());
  frozen.def(
      "__init__",
      [](F *place, const C &given, const std::string &name) {
        new (place) F(given.structure, kernels_of<T>(target(name)));
      },
      nb::arg("call"), nb::arg("target"));
  frozen.def(
      "advance",
      [](F &self, const ReadOnly &x, const Sequence &y, int threads) {
        const std::size_t inputs = self.batch() * self.inputs();
        const std::size_t steps = x.size() / inputs;
        const bool fits = x.size() == steps * inputs &&
                          y.size() == steps * std::size_t(self.batch() * self.outputs());
        if (!fits) throw std::invalid_argument("x or y has not the size that the layer takes");
        const Unlocked released;
        self.advance(x.data(), std::int64_t(steps), y.data(), threads);
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
  module.def("available_targets", &available_targets);
  // What os.environ says, at a tenth of its cost.
  module.def(
      "environment", [](const char *name) { return std::getenv(name); }, nb::arg("name"));
  module.def(
      "activations",
      [](const std::string &cell, std::int64_t units, std::int64_t outputs, bool has_projection,
         bool has_norm) {
        const float any = 0;  // its address is not followed
        Call<float> call{};
        call.cell = cell_of(cell);
        call.units = units;
        call.outputs = outputs;
        call.w_hr = has_projection ? &any : nullptr;
        call.w_ln_hh = has_norm ? &any : nullptr;
        return target("baseline").f32.activations(call);
      },
      nb::arg("cell"), nb::arg("units"), nb::arg("outputs"), nb::arg("has_projection"),
      nb::arg("has_norm"));
  module.def(
      "draw_bits",
      [](std::int64_t seed, const std::array<std::int64_t, 3> &sizes, std::uint32_t stream,
         std::uint64_t threshold, std::uintptr_t bits, const std::string &name, int threads) {
        const Draw wanted{seed,   sizes[0],  sizes[1], sizes[2],
                          stream, threshold, reinterpret_cast<std::uint8_t *>(bits)};
        draw(wanted, target(name), threads);
      },
      nb::arg("seed"), nb::arg("sizes"), nb::arg("stream"), nb::arg("threshold"), nb::arg("bits"),
      nb::arg("target"), nb::arg("threads"), nb::call_guard<Unlocked>());
  module.def(
      "peak_gflops",
      [](const std::string &name, int threads) { return peak_gflops(target(name).f32, threads); },
      nb::arg("target"), nb::arg("threads"), nb::call_guard<Unlocked>());
  bind<float>(module, "Float32");
  bind<double>(module, "Float64");
}
