// How far the kernels' sigmoid and tanh are from the truth, on every instruction set of this
// machine: in float at all 2^32 floats, by double; in double at points of many binades, by long
// double. Prints the greatest errors; fails where one is above its limit.
#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstdio>
#include <limits>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#include "../../denormals.h"
#include "functions.h"

namespace gatewise {

TargetFunctions functions_baseline();
#if defined(__x86_64__)
TargetFunctions functions_avx2();
TargetFunctions functions_avx512();
#endif

namespace {

// In units of the last place: the distance of the floating-point numbers about the truth.
constexpr double SIGMOID_LIMIT = 2.5, TANH_LIMIT = 2, UNFUSED_TANH_LIMIT = 3;

std::vector<TargetFunctions> offered() {
  std::vector<TargetFunctions> found;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
    found.push_back(functions_avx512());
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    found.push_back(functions_avx2());
#endif
  found.push_back(functions_baseline());
  return found;
}

// The power of two at or below a number's size.
double power_below(double x) {
  return std::bit_cast<double>(std::bit_cast<std::uint64_t>(x) & 0x7FF0'0000'0000'0000);
}
long double power_below(long double x) { return x == 0 ? 0 : std::ldexp(1.0L, std::ilogb(x)); }

// In ulp; infinite for what must not be at all. Below the least normal number stands 0.
template <class T, class Wide>
double error(T x, T found, Wide truth) {
  constexpr double never = std::numeric_limits<double>::infinity();
  constexpr T least = std::numeric_limits<T>::min();
  if (std::isnan(x) || std::isnan(found)) return std::isnan(x) && std::isnan(found) ? 0 : never;
  if (std::isinf(x)) return found == truth ? 0 : never;
  if (found == 0 && std::abs(truth) < least) return 0;
  if (found != 0 && std::abs(found) < least) return never;
  const Wide place = std::max(power_below(truth), Wide(least)) * std::numeric_limits<T>::epsilon();
  return double(std::abs(found - truth) / place);
}

template <class T>
struct Worst {
  double ulp = 0;
  T at = 0;

  void add(double other, T x) {
    if (other > ulp) ulp = other, at = x;
  }
};

template <class T>
struct WorstOfTarget {
  Worst<T> sigmoid, tanh;
};

constexpr std::int64_t BLOCK = 1 << 14;

// The truth, and then each target, at BLOCK numbers.
template <class T, class Wide>
void measure(const std::vector<Functions<T>> &targets, const std::vector<T> &x,
             std::vector<WorstOfTarget<T>> &worst) {
  std::vector<Wide> sigmoid(BLOCK), tangent(BLOCK);
  for (std::int64_t k = 0; k < BLOCK; ++k) {
    sigmoid[k] = 1 / (1 + std::exp(-Wide(x[k])));
    tangent[k] = std::tanh(Wide(x[k]));
  }
  std::vector<T> s(BLOCK), t(BLOCK);
  for (std::size_t n = 0; n < targets.size(); ++n) {
    {
      const FlushDenormals flushing;  // as in the core's calls
      targets[n].sigmoid(x.data(), s.data(), BLOCK);
      targets[n].tanh(x.data(), t.data(), BLOCK);
    }
    for (std::int64_t k = 0; k < BLOCK; ++k) {
      worst[n].sigmoid.add(error(x[k], s[k], sigmoid[k]), x[k]);
      worst[n].tanh.add(error(x[k], t[k], tangent[k]), x[k]);
    }
  }
}

std::vector<WorstOfTarget<float>> measure_all_floats(const std::vector<Functions<float>> &targets) {
  std::vector<WorstOfTarget<float>> worst(targets.size());
  std::atomic<std::int64_t> next{0};
  std::mutex lock;
  const auto work = [&] {
    std::vector<WorstOfTarget<float>> own(targets.size());
    std::vector<float> x(BLOCK);
    for (std::int64_t at; (at = next.fetch_add(BLOCK)) < std::int64_t(1) << 32;) {
      for (std::int64_t k = 0; k < BLOCK; ++k) x[k] = std::bit_cast<float>(std::uint32_t(at + k));
      measure<float, double>(targets, x, own);
    }
    const std::lock_guard<std::mutex> guard(lock);
    for (std::size_t n = 0; n < targets.size(); ++n) {
      worst[n].sigmoid.add(own[n].sigmoid.ulp, own[n].sigmoid.at);
      worst[n].tanh.add(own[n].tanh.ulp, own[n].tanh.at);
    }
  };
  std::vector<std::thread> threads;
  for (unsigned n = 0; n < std::max(1u, std::thread::hardware_concurrency()); ++n)
    threads.emplace_back(work);
  for (std::thread &thread : threads) thread.join();
  return worst;
}

std::vector<WorstOfTarget<double>> measure_doubles(const std::vector<Functions<double>> &targets) {
  constexpr int LEAST = -1074, MOST = 1023;  // binades; dense where they bend
  constexpr double INFINITE = std::numeric_limits<double>::infinity();
  std::vector<WorstOfTarget<double>> worst(targets.size());
  std::mt19937_64 random(1);
  for (int binade = LEAST; binade <= MOST; ++binade) {
    if ((binade < -60 || binade > 10) && binade % 32) continue;
    std::vector<double> x(BLOCK);
    for (std::int64_t k = 0; k < BLOCK; ++k)
      x[k] = std::ldexp((k % 2 ? -1 : 1) * (1 + double(random() >> 12) * 0x1p-52), binade);
    constexpr std::array special{0.0, -0.0, INFINITE, -INFINITE, std::nan("")};
    std::copy(special.begin(), special.end(), x.begin());
    measure<double, long double>(targets, x, worst);
  }
  return worst;
}

template <class T>
bool report(const char *target, const char *function, const Worst<T> &worst, double limit) {
  std::printf("%s %s on %s: %.3f ulp at %.17g, limit %g\n", sizeof(T) == 4 ? "float32" : "float64",
              function, target, worst.ulp, double(worst.at), limit);
  return worst.ulp <= limit;
}

template <class T>
bool report_all(const std::vector<TargetFunctions> &targets,
                const std::vector<WorstOfTarget<T>> &worst) {
  bool is_good = true;
  for (std::size_t n = 0; n < targets.size(); ++n) {
    const double limit = targets[n].is_fused ? TANH_LIMIT : UNFUSED_TANH_LIMIT;
    is_good &= report(targets[n].name, "sigmoid", worst[n].sigmoid, SIGMOID_LIMIT);
    is_good &= report(targets[n].name, "tanh", worst[n].tanh, limit);
  }
  return is_good;
}

bool run() {
  const std::vector<TargetFunctions> targets = offered();
  std::vector<Functions<float>> f32;
  std::vector<Functions<double>> f64;
  for (const TargetFunctions &target : targets) {
    f32.push_back(target.f32);
    f64.push_back(target.f64);
  }
  const bool are_doubles_good = report_all(targets, measure_doubles(f64));
  std::fflush(stdout);
  return report_all(targets, measure_all_floats(f32)) && are_doubles_good;
}

}  // namespace
}  // namespace gatewise

int main() { return !gatewise::run(); }
