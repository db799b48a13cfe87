// Runs cases through the core on every instruction set of this machine and 1, 2 and 3 threads, and
// checks what comes out. The sanitizers that it is built with check how.
//
//   driver LIST                  the cases of a list; - is standard input
//   driver fuzz SECONDS [SEED]   random cases, from the seed given or one of its own
#include <sanitizer/common_interface_defs.h>

#include <chrono>
#include <cmath>
#include <fstream>
#include <iostream>
#include <random>

#include "../targets.h"
#include "problem.h"

// Fresh memory of the core's own is NaN too.
extern "C" const char *__asan_default_options() {
  return "malloc_fill_byte=255:max_malloc_fill_size=2147483647";
}
extern "C" const char *__ubsan_default_options() { return "print_stacktrace=1"; }
extern "C" const char *__tsan_default_options() { return "halt_on_error=1"; }
// Built without sanitizers, there is none.
#pragma weak __sanitizer_set_death_callback

namespace gatewise {
namespace {

// What is being run, for whoever finds something.
struct {
  std::string line, where;
} running;

void say_what_ran() {
  std::cerr << "\nfound on " << running.where << "; again:\n  echo '" << running.line
            << "' | driver -\n";
}

template <class T>
Kernels<T> kernels_of(const Target &target) {
  if constexpr (sizeof(T) == 4) return target.f32;
  else return target.f64;
}

// Differences that rounding may leave, relative to the greatest number. Layer norm may divide by a
// deviation of 1 / 300, and makes them so much greater.
template <class T>
double tolerance(const Case &given) {
  return (sizeof(T) == 4 ? 1e-4 : 1e-11) * (given.has("layer_norm") ? 32 : 1);
}

template <class T>
void check_close(const Results<T> &got, const Results<T> &expected, const Case &given) {
  // At 0 the gradient of relu jumps, and rounding decides to which side.
  const bool jumps = given.has("relu") && sizeof(T) == 4;
  for (const auto &[name, values] : got) {
    if (jumps && name[0] == 'd') continue;
    const std::vector<T> &others = expected.at(name);
    double scale = 1, most = 0;
    for (std::size_t k = 0; k < values.size(); ++k) {
      scale = std::max(scale, std::abs(double(others[k])));
      most = std::max(most, std::abs(double(values[k]) - double(others[k])));
    }
    if (most > tolerance<T>(given) * scale)
      throw Finding(name + ": " + std::to_string(most / scale) + " away from " +
                    available_targets().front() + " on one thread");
  }
}

template <class T>
void check_same_bits(const Results<T> &got, const Results<T> &expected) {
  for (const char *name : {"y", "h_n", "c_n"}) {
    const auto found = got.find(name);
    if (found != got.end() && found->second != expected.at(name))
      throw Finding(std::string(name) + ": other bits than in training on one thread");
  }
}

template <class T>
void run_case(const Case &given) {
  Problem<T> problem(given);
  Results<T> first;
  for (const std::string &name : available_targets()) {
    Results<T> alone;
    for (const Manner manner :
         {Manner::trains, Manner::infers, Manner::infers_packed, Manner::frozen}) {
      if (!problem.can(manner)) continue;
      for (const int threads : {1, 2, 3}) {
        running = {given.line(), name + " with " + std::to_string(threads) + " threads"};
        const Results<T> got = problem.run(kernels_of<T>(target(name)), threads, manner);
        problem.check_padding(got);
        if (first.empty()) first = got;
        if (alone.empty()) alone = got;
        check_same_bits(got, alone);
        check_close(got, first, given);
      }
    }
  }
}

void run(const Case &given) {
  given.word("dtype") == "float64" ? run_case<double>(given) : run_case<float>(given);
}

int run_list(const std::string &path) {
  std::ifstream file(path);
  std::istream &list = path == "-" ? std::cin : file;
  if (!list) throw std::invalid_argument("cannot read " + path);
  const std::vector<Case> cases = read_cases(list);
  for (const Case &given : cases) run(given);
  std::cout << cases.size() << " cases on";
  for (const std::string &name : available_targets()) std::cout << " " << name;
  std::cout << ": nothing found\n";
  return cases.empty();
}

int fuzz(double seconds, std::uint64_t seed) {
  std::cout << "seed " << seed << std::endl;
  Random random(seed);
  const auto start = std::chrono::steady_clock::now();
  const auto passed = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  std::int64_t cases = 0;
  for (; passed() < seconds; ++cases) run(Case(random));
  std::cout << cases << " random cases in " << passed() << " seconds: nothing found\n";
  return 0;
}

int run_program(const std::vector<std::string> &arguments) {
  if (arguments.size() == 1) return run_list(arguments[0]);
  if (arguments.size() < 2 || arguments.size() > 3 || arguments[0] != "fuzz")
    throw std::invalid_argument("usage: driver LIST | driver fuzz SECONDS [SEED]");
  return fuzz(std::stod(arguments[1]),
              arguments.size() == 3 ? std::stoull(arguments[2]) : std::random_device{}());
}

}  // namespace
}  // namespace gatewise

int main(int count, char **arguments) {
  using namespace gatewise;
  if (__sanitizer_set_death_callback) __sanitizer_set_death_callback(say_what_ran);
  try {
    return run_program({arguments + 1, arguments + count});
  } catch (const Finding &finding) {
    std::cerr << finding.what() << "\n";
    say_what_ran();
    return 1;
  } catch (const std::invalid_argument &wrong) {
    std::cerr << wrong.what() << "\n";
    return 2;
  }
}
