#include "targets.h"

#include <stdexcept>

namespace gatewise {

Target target_baseline();
#if defined(__x86_64__)
Target target_avx2();
Target target_avx512();
#endif

namespace {

// Even the function that gives a target's table is compiled with its instructions, so that it is
// called only where they are offered.
struct Entry {
  Target (*make)();
  bool is_offered;
};

std::vector<Target> make_offered() {
  // __builtin_cpu_supports asks the system too whether it saves the wide registers.
  const Entry all[] = {
#if defined(__x86_64__)
      {target_avx512, __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                          __builtin_cpu_supports("avx512bw") &&
                          __builtin_cpu_supports("avx512vl")},
      {target_avx2, __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")},
#endif
      {target_baseline, true},
  };
  std::vector<Target> offered;
  for (const Entry &entry : all)
    if (entry.is_offered) offered.push_back(entry.make());
  return offered;
}

const std::vector<Target> &offered() {
  static const std::vector<Target> targets = make_offered();
  return targets;
}

}  // namespace

std::vector<std::string> available_targets() {
  std::vector<std::string> names;
  for (const Target &target : offered()) names.emplace_back(target.name);
  return names;
}

const Target &target(const std::string &name) {
  for (const Target &target : offered())
    if (name == target.name) return target;
  throw std::invalid_argument("no such instruction set here: " + name);
}

}  // namespace gatewise
