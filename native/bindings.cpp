// The core as a Python module: structures of sizes and addresses, and the calls that take them.
//
// Addresses come as integers from tensors that the caller keeps alive; the caller has checked
// shapes, types and strides. The interpreter's lock is given up while a call runs.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <cstdint>

#include "recurrence.h"
#include "targets.h"

namespace nb = nanobind;
using namespace gatewise;

namespace {

template <class S, class P>
void address(nb::class_<S> &bound, const char *name, P S::*member) {
  bound.def_prop_rw(
      name, [member](const S &s) { return reinterpret_cast<std::uintptr_t>(s.*member); },
      [member](S &s, std::uintptr_t value) { s.*member = reinterpret_cast<P>(value); });
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
  call.def("__init__", [](C *place) { new (place) C{}; });
  call.def_rw("cell", &C::cell).def_rw("reverse", &C::reverse);
  call.def_rw("identity", &C::identity).def_rw("relu", &C::relu);
  call.def_rw("steps", &C::steps).def_rw("batch", &C::batch);
  call.def_rw("inputs", &C::inputs).def_rw("units", &C::units).def_rw("outputs", &C::outputs);
  call.def_rw("zoneout_h", &C::zoneout_h).def_rw("zoneout_c", &C::zoneout_c);
  address(call, "x", &C::x);
  address(call, "h_0", &C::h_0);
  address(call, "c_0", &C::c_0);
  address(call, "w_ih", &C::w_ih);
  address(call, "w_hh", &C::w_hh);
  address(call, "b_ih", &C::b_ih);
  address(call, "b_hh", &C::b_hh);
  address(call, "w_hr", &C::w_hr);
  address(call, "w_peephole", &C::w_peephole);
  address(call, "w_ln_ih", &C::w_ln_ih);
  address(call, "w_ln_hh", &C::w_ln_hh);
  address(call, "w_ln_c", &C::w_ln_c);
  address(call, "b_ln_c", &C::b_ln_c);
  address(call, "initial_h", &C::initial_h);
  address(call, "initial_c", &C::initial_c);
  address(call, "lengths", &C::lengths);
  address(call, "resets", &C::resets);
  address(call, "recurrent_mask", &C::recurrent_mask);
  address(call, "keep_h", &C::keep_h);
  address(call, "keep_c", &C::keep_c);
  address(call, "y", &C::y);
  address(call, "h_n", &C::h_n);
  address(call, "c_n", &C::c_n);
  address(call, "activations", &C::activations);

  nb::class_<G> gradients(module, ("Gradients" + type).c_str());
  gradients.def("__init__", [](G *place) { new (place) G{}; });
  address(gradients, "dy", &G::dy);
  address(gradients, "dh_n", &G::dh_n);
  address(gradients, "dc_n", &G::dc_n);
  address(gradients, "dx", &G::dx);
  address(gradients, "dh_0", &G::dh_0);
  address(gradients, "dc_0", &G::dc_0);
  address(gradients, "dw_ih", &G::dw_ih);
  address(gradients, "dw_hh", &G::dw_hh);
  address(gradients, "db_ih", &G::db_ih);
  address(gradients, "db_hh", &G::db_hh);
  address(gradients, "dw_hr", &G::dw_hr);
  address(gradients, "dw_peephole", &G::dw_peephole);
  address(gradients, "dw_ln_ih", &G::dw_ln_ih);
  address(gradients, "dw_ln_hh", &G::dw_ln_hh);
  address(gradients, "dw_ln_c", &G::dw_ln_c);
  address(gradients, "db_ln_c", &G::db_ln_c);
  address(gradients, "dinitial_h", &G::dinitial_h);
  address(gradients, "dinitial_c", &G::dinitial_c);

  module.def(
      "forward",
      [](const C &given, const std::string &name, int threads, std::uintptr_t packed) {
        forward(given, kernels_of<T>(target(name)), reinterpret_cast<const T *>(packed), threads);
      },
      nb::arg("call"), nb::arg("target"), nb::arg("threads"), nb::arg("packed") = 0,
      nb::call_guard<nb::gil_scoped_release>());
  module.def(
      "backward",
      [](const C &given, const G &wanted, const std::string &name, int threads) {
        backward(given, wanted, kernels_of<T>(target(name)), threads);
      },
      nb::arg("call"), nb::arg("gradients"), nb::arg("target"), nb::arg("threads"),
      nb::call_guard<nb::gil_scoped_release>());
  module.def(
      "activations",
      [](const C &given, const std::string &name) {
        return kernels_of<T>(target(name)).activations(given);
      },
      nb::arg("call"), nb::arg("target"));
  module.def(
      "packed_size",
      [](const C &given, const std::string &name) {
        return kernels_of<T>(target(name)).packed_size(given, false);
      },
      nb::arg("call"), nb::arg("target"));
  module.def(
      "pack",
      [](const C &given, const std::string &name, std::uintptr_t packed) {
        kernels_of<T>(target(name)).pack(given, false, reinterpret_cast<T *>(packed), 0, 1);
      },
      nb::arg("call"), nb::arg("target"), nb::arg("packed"));
}

}  // namespace

NB_MODULE(_native, module) {
  nb::enum_<Cell>(module, "Cell")
      .value("lstm", Cell::lstm)
      .value("lstm_coupled", Cell::lstm_coupled)
      .value("gru", Cell::gru)
      .value("gru_reset_before", Cell::gru_reset_before)
      .value("rnn", Cell::rnn);
  module.def("available_targets", &available_targets);
  module.def(
      "peak_gflops",
      [](const std::string &name, int threads) { return peak_gflops(target(name).f32, threads); },
      nb::arg("target"), nb::arg("threads"), nb::call_guard<nb::gil_scoped_release>());
  bind<float>(module, "Float32");
  bind<double>(module, "Float64");
}
