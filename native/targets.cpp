#include "targets.h"

#include <array>
#include <stdexcept>

namespace gatewise {

Target target_baseline();
#if defined(__x86_64__)
Target target_avx2();
Target target_avx512();
#endif

namespace {

struct Entry {
  Target target;
  bool is_offered;
};

const std::vector<Entry> &entries() {
  // __builtin_cpu_supports asks the system too whether it saves the wide registers.
  static const std::vector<Entry> all = {
#if defined(__x86_64__)
      {target_avx512(), __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                            __builtin_cpu_supports("avx512bw") &&
                            __builtin_cpu_supports("avx512vl")},
      {target_avx2(), __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")},
#endif
      {target_baseline(), true},
  };
  return all;
}

}  // namespace

std::vector<std::string> available_targets() {
  std::vector<std::string> names;
  for (const Entry &entry : entries())
    if (entry.is_offered) names.emplace_back(entry.target.name);
  return names;
}

const Target &target(const std::string &name) {
  for (const Entry &entry : entries())
    if (entry.is_offered && name == entry.target.name) return entry.target;
  throw std::invalid_argument("no such instruction set here: " + name);
}

}  // namespace gatewise
