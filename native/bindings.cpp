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
  call.def_rw("cell", &C::cell).def_rw("reverse", &C::reverse).def_rw("coupled", &C::coupled);
  call.def_rw("identity", &C::identity).def_rw("relu", &C::relu);
  call.def_rw("steps", &C::steps).def_rw("batch", &C::batch);
  call.def_rw("inputs", &C::inputs).def_rw("units", &C::units);
  call.def_rw("zoneout_h", &C::zoneout_h).def_rw("zoneout_c", &C::zoneout_c);
  address(call, "x", &C::x);
  address(call, "h_0", &C::h_0);
  address(call, "c_0", &C::c_0);
  address(call, "w_ih", &C::w_ih);
  address(call, "w_hh", &C::w_hh);
  address(call, "b_ih", &C::b_ih);
  address(call, "b_hh", &C::b_hh);
  address(call, "w_peephole", &C::peephole);
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
  address(call, "saved", &C::saved);
  address(call, "cells", &C::cells);

  nb::class_<G> gradients(module, ("Gradients" + type).c_str());
  gradients.def("__init__", [](G *place) { new (place) G{}; });
  address(gradients, "dy", &G::dy);
  address(gradients, "dh_n", &G::dh_n);
  address(gradients, "dc_n", &G::dc_n);
  address(gradients, "dgates", &G::dgates);
  address(gradients, "dh_0", &G::dh_0);
  address(gradients, "dc_0", &G::dc_0);
  address(gradients, "dw_peephole", &G::dpeephole);
  address(gradients, "dinitial_h", &G::dinitial_h);
  address(gradients, "dinitial_c", &G::dinitial_c);

  module.def(
      "forward",
      [](const C &given, const std::string &name, int threads) {
        forward(given, kernels_of<T>(target(name)), threads);
      },
      nb::arg("call"), nb::arg("target"), nb::arg("threads"),
      nb::call_guard<nb::gil_scoped_release>());
  module.def(
      "backward",
      [](const C &given, const G &wanted, const std::string &name, int threads) {
        backward(given, wanted, kernels_of<T>(target(name)), threads);
      },
      nb::arg("call"), nb::arg("gradients"), nb::arg("target"), nb::arg("threads"),
      nb::call_guard<nb::gil_scoped_release>());
}

}  // namespace

NB_MODULE(_native, module) {
  nb::enum_<Cell>(module, "Cell")
      .value("lstm", Cell::lstm)
      .value("gru", Cell::gru)
      .value("rnn", Cell::rnn);
  module.def("padded", &padded, nb::arg("units"));
  module.def("saved_blocks", &saved_blocks, nb::arg("cell"), nb::arg("coupled"));
  module.def("available_targets", &available_targets);
  bind<float>(module, "Float32");
  bind<double>(module, "Float64");
}
