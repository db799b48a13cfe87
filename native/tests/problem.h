// The buffers of a case, filled by its seed, and what a run of them gives.
#pragma once

#include <cmath>
#include <deque>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "../frozen.h"
#include "../recurrence.h"
#include "case.h"
#include "fenced.h"

namespace gatewise {

// One tensor of a call that may want a gradient.
template <class T>
struct Tensor {
  const char *name;
  std::int64_t size;
  const T *Call<T>::*given;
  T *Gradients<T>::*gradient;
  double scale, middle;  // of its numbers
};

// Those that a case has, in the order of the call.
template <class T>
std::vector<Tensor<T>> tensors(const Case &given) {
  using C = Call<T>;
  using G = Gradients<T>;
  const std::int64_t batch = given.integer("batch"), inputs = given.integer("inputs");
  const std::int64_t units = given.integer("units"), outputs = given.outputs();
  const std::int64_t rows = given.gates() * units;
  const bool bias = given.has("bias"), norm = given.has("layer_norm"), lstm = given.is_lstm();
  const bool initial = given.has("initial");
  const double small = 1 / std::sqrt(double(units));
  const struct {
    bool exists;
    Tensor<T> tensor;
  } all[] = {
      {true, {"x", given.integer("steps") * batch * inputs, &C::x, &G::dx, given.real("scale"), 0}},
      {true, {"h_0", batch * outputs, &C::h_0, &G::dh_0, 0.5, 0}},
      {lstm, {"c_0", batch * units, &C::c_0, &G::dc_0, 0.5, 0}},
      {true, {"w_ih", rows * inputs, &C::w_ih, &G::dw_ih, small, 0}},
      {true, {"w_hh", rows * outputs, &C::w_hh, &G::dw_hh, small, 0}},
      {bias, {"b_ih", rows, &C::b_ih, &G::db_ih, small, 0}},
      {bias, {"b_hh", rows, &C::b_hh, &G::db_hh, small, 0}},
      {given.has("projection"), {"w_hr", outputs * units, &C::w_hr, &G::dw_hr, small, 0}},
      {given.has("peephole"),
       {"w_peephole", given.peepholes() * units, &C::w_peephole, &G::dw_peephole, small, 0}},
      {norm, {"w_ln_ih", rows, &C::w_ln_ih, &G::dw_ln_ih, small, 1}},
      {norm, {"w_ln_hh", rows, &C::w_ln_hh, &G::dw_ln_hh, small, 1}},
      {norm && lstm, {"w_ln_c", units, &C::w_ln_c, &G::dw_ln_c, small, 1}},
      {norm && lstm && bias, {"b_ln_c", units, &C::b_ln_c, &G::db_ln_c, small, 0}},
      {initial, {"initial_h", outputs, &C::initial_h, &G::dinitial_h, 0.5, 0}},
      {initial && lstm, {"initial_c", units, &C::initial_c, &G::dinitial_c, 0.5, 0}},
  };
  std::vector<Tensor<T>> found;
  for (const auto &[exists, tensor] : all)
    if (exists) found.push_back(tensor);
  return found;
}

template <class T>
using Results = std::map<std::string, std::vector<T>>;  // by name

// How the core is asked for the same thing.
enum class Manner { trains, infers, infers_packed, frozen };

template <class T>
class Problem {
 public:
  explicit Problem(const Case &given)
      : case_(given), tensors_(tensors<T>(given)), random_(given.integer("seed")) {
    set_sizes();
    draw_guides();
    for (const Tensor<T> &tensor : tensors_)
      call_.*tensor.given = drawn(tensor.name, tensor.size, tensor.scale, tensor.middle);
    grad_.dy = given_gradient("dy", y_size());
    grad_.dh_n = given_gradient("dh_n", call_.batch * call_.outputs);
    grad_.dc_n = case_.is_lstm() ? given_gradient("dc_n", call_.batch * call_.units) : nullptr;
    for (const Tensor<T> &tensor : tensors_)
      is_wanted_[tensor.name] = is_state(tensor) || !is_left_out();
    clear_padding(const_cast<T *>(call_.x), call_.inputs);
    clear_padding(const_cast<T *>(grad_.dy), call_.outputs);
  }

  // A frozen layer has neither lengths nor cuts nor masks.
  bool can(Manner manner) const {
    const bool is_guided = call_.lengths || call_.resets || call_.recurrent_mask ||
                           call_.keep_h || call_.keep_c;
    return manner != Manner::frozen || !is_guided;
  }

  // Fresh outputs, and all gradients that are wanted.
  Results<T> run(const Kernels<T> &kernels, int threads, Manner manner) {
    if (manner == Manner::frozen) return run_frozen(kernels, threads);
    Call<T> call = call_;
    std::map<std::string, Fenced<T>> made;
    const auto make = [&](const std::string &name, std::int64_t size) {
      return made.try_emplace(name, size, shift()).first->second.data();
    };
    call.y = make("y", y_size());
    call.h_n = make("h_n", call.batch * call.outputs);
    if (case_.is_lstm()) call.c_n = make("c_n", call.batch * call.units);
    const Fenced<T> activations(manner == Manner::trains ? activations_size(kernels) : 0, shift());
    call.activations = activations.data();
    const Fenced<T> packed(
        manner == Manner::infers_packed ? std::int64_t(kernels.packed_size(call, false)) : 0);
    if (packed.data()) kernels.pack(call, false, packed.data(), 0, 1);
    forward(call, kernels, static_cast<const T *>(packed.data()), threads);
    if (manner == Manner::trains) {
      Gradients<T> grad = grad_;
      for (const Tensor<T> &tensor : tensors_)
        if (is_wanted_.at(tensor.name))
          grad.*tensor.gradient = make(std::string("d") + tensor.name, tensor.size);
      backward(call, grad, kernels, threads);
    }
    activations.check("activations");
    packed.check("packed");
    check_given();
    return take(made);
  }

  // Throws where what stands beyond the ends of sequences is not 0.
  void check_padding(const Results<T> &results) const {
    const auto check = [&](const char *name, std::int64_t width) {
      const auto found = results.find(name);
      if (found == results.end()) return;
      each_padding(width, [&](std::int64_t from) {
        for (std::int64_t k = from; k < from + width; ++k)
          if (found->second[k] != 0)
            throw Finding(std::string(name) + ": not 0 beyond the end of a sequence");
      });
    };
    check("y", call_.outputs);
    check("dx", call_.inputs);
  }

 private:
  void set_sizes() {
    call_.cell = case_.cell();
    call_.reverse = case_.has("reverse");
    call_.identity = case_.has("identity");
    call_.relu = case_.has("relu");
    call_.steps = case_.integer("steps");
    call_.batch = case_.integer("batch");
    call_.inputs = case_.integer("inputs");
    call_.units = case_.integer("units");
    call_.outputs = case_.outputs();
  }

  // Lengths, cuts and masks.
  void draw_guides() {
    const std::int64_t h = call_.batch * call_.outputs, c = call_.batch * call_.units;
    if (case_.has("lengths")) {
      lengths_ = std::make_unique<Fenced<std::int64_t>>(call_.batch);
      for (std::int64_t r = 0; r < call_.batch; ++r)
        lengths_->data()[r] = std::int64_t(random_() % (call_.steps + 1));
      call_.lengths = lengths_->data();
    }
    if (case_.has("resets")) call_.resets = bits(call_.steps * call_.batch, 0.2);
    const double dropout = case_.real("dropout");
    const T zoneout_h = T(case_.real("zoneout_h")), zoneout_c = T(case_.real("zoneout_c"));
    if (!case_.has("masks")) {
      call_.zoneout_h = zoneout_h;
      call_.zoneout_c = case_.is_lstm() ? zoneout_c : 0;
      return;
    }
    if (dropout > 0) call_.recurrent_mask = recurrent_mask(h, dropout);
    if (zoneout_h > 0) call_.keep_h = bits(call_.steps * h, zoneout_h);
    if (zoneout_c > 0 && case_.is_lstm()) call_.keep_c = bits(call_.steps * c, zoneout_c);
  }

  // In pieces of one and of two steps by turns, from whichever end the case begins.
  Results<T> run_frozen(const Kernels<T> &kernels, int threads) {
    Frozen<T> frozen = freeze(kernels);
    std::copy_n(call_.h_0, frozen.h.size(), frozen.h.data());
    std::copy_n(call_.c_0, frozen.c.size(), frozen.c.data());
    std::map<std::string, Fenced<T>> made;
    const auto make = [&](const char *name, const std::vector<T> &values) {
      const Fenced<T> &place = made.try_emplace(name, values.size(), shift()).first->second;
      std::copy(values.begin(), values.end(), place.data());
    };
    std::vector<T> y(y_size());
    for (std::int64_t at = 0, size = 1; at < call_.steps; at += size, size = 3 - size)
      advance(frozen, at, std::min(size, call_.steps - at), y.data(), threads);
    make("y", y);
    make("h_n", frozen.h);
    if (case_.is_lstm()) make("c_n", frozen.c);
    check_given();
    return take(made);
  }

  // Its weights are gone when it runs.
  Frozen<T> freeze(const Kernels<T> &kernels) const {
    Call<T> call = call_;
    std::deque<Fenced<T>> copies;
    for (const Tensor<T> &tensor : tensors_) {
      const Fenced<T> &copy = copies.emplace_back(tensor.size, shift());
      std::copy_n(call_.*tensor.given, tensor.size, copy.data());
      call.*tensor.given = copy.data();
    }
    return Frozen<T>(call, kernels);
  }

  // Steps from `at` on, counted from where the case begins, into y of all steps.
  void advance(Frozen<T> &frozen, std::int64_t at, std::int64_t steps, T *y, int threads) const {
    const std::int64_t from = call_.batch * call_.inputs, to = call_.batch * call_.outputs;
    const Fenced<T> x(steps * from, shift()), made(steps * to, shift());
    const auto place = [&](std::int64_t t) {
      return call_.reverse ? call_.steps - 1 - at - t : at + t;
    };
    for (std::int64_t t = 0; t < steps; ++t)
      std::copy_n(call_.x + place(t) * from, from, x.data() + t * from);
    frozen.advance(x.data(), steps, made.data(), threads);
    for (std::int64_t t = 0; t < steps; ++t)
      std::copy_n(made.data() + t * to, to, y + place(t) * to);
    x.check("x of a piece");
    made.check("y of a piece");
  }

  bool toss(double share) { return double(random_() >> 11) * 0x1p-53 < share; }
  bool is_left_out() { return case_.has("partial") && toss(0.5); }
  bool is_state(const Tensor<T> &tensor) const {
    return tensor.given == &Call<T>::h_0 || tensor.given == &Call<T>::c_0;
  }
  std::int64_t shift() const { return case_.integer("shift"); }
  std::int64_t y_size() const { return call_.steps * call_.batch * call_.outputs; }
  std::int64_t activations_size(const Kernels<T> &kernels) const {
    return call_.steps * call_.batch * std::int64_t(kernels.activations(call_));
  }

  const std::uint8_t *bits(std::int64_t count, double share) {
    const Fenced<std::uint8_t> &made = bits_.emplace_back(count, shift());
    for (std::int64_t k = 0; k < count; ++k) made.data()[k] = toss(share);
    return made.data();
  }

  T *place(const std::string &name, std::int64_t count) {
    return given_.try_emplace(name, count, shift()).first->second.data();
  }

  const T *recurrent_mask(std::int64_t count, double dropout) {
    T *made = place("recurrent_mask", count);
    const T scale = dropout < 1 ? T(1 / (1 - dropout)) : T(0);
    for (std::int64_t k = 0; k < count; ++k) made[k] = toss(dropout) ? T(0) : scale;
    return made;
  }

  // Numbers about `middle`, at most `scale` away: with the weights' scale no state can explode.
  const T *drawn(const std::string &name, std::int64_t count, double scale, double middle) {
    T *made = place(name, count);
    for (std::int64_t k = 0; k < count; ++k)
      made[k] = T(middle + scale * (double(random_() >> 11) * 0x1p-52 - 1));
    return made;
  }

  const T *given_gradient(const char *name, std::int64_t count) {
    return is_left_out() ? nullptr : drawn(name, count, 1, 0);
  }

  // Call body(first element) for what belongs to each row and step beyond its sequence's end.
  template <class Body>
  void each_padding(std::int64_t width, const Body &body) const {
    for (std::int64_t r = 0; r < call_.batch && call_.lengths; ++r)
      for (std::int64_t t = call_.lengths[r]; t < call_.steps; ++t)
        body((t * call_.batch + r) * width);
  }

  // Padding may hold anything.
  void clear_padding(T *values, std::int64_t width) const {
    if (values)
      each_padding(width, [&](std::int64_t from) {
        std::fill_n(values + from, width, std::numeric_limits<T>::quiet_NaN());
      });
  }

  void check_given() const {
    for (const auto &[name, buffer] : given_) buffer.check(name);
    for (const auto &buffer : bits_) buffer.check("resets or masks");
    if (lengths_) lengths_->check("lengths");
  }

  // Every number must have been written, and be one.
  static Results<T> take(const std::map<std::string, Fenced<T>> &made) {
    Results<T> results;
    for (const auto &[name, buffer] : made) {
      buffer.check(name);
      for (std::size_t k = 0; k < buffer.size(); ++k)
        if (!std::isfinite(buffer.data()[k]))
          throw Finding(name + "[" + std::to_string(k) + "] was not written, or is not finite");
      results[name].assign(buffer.data(), buffer.data() + buffer.size());
    }
    return results;
  }

  const Case case_;
  const std::vector<Tensor<T>> tensors_;
  Random random_;
  Call<T> call_{};
  Gradients<T> grad_{};
  std::map<std::string, Fenced<T>> given_;
  std::map<std::string, bool> is_wanted_;
  std::deque<Fenced<std::uint8_t>> bits_;
  std::unique_ptr<Fenced<std::int64_t>> lengths_;
};

}  // namespace gatewise
