// Compiled once per instruction set, as the kernels are; the build gives GATEWISE_TARGET its name
// and GATEWISE_BYTES the width of its vectors.
#include "functions.h"

#include "../../kernels/functions.h"

#define TEXT_OF(name) #name
#define TEXT(name) TEXT_OF(name)
#define JOIN_OF(a, b) a##b
#define JOIN(a, b) JOIN_OF(a, b)

#if defined(__FMA__) || defined(__aarch64__)
#define IS_FUSED true
#else
#define IS_FUSED false
#endif

namespace gatewise {
namespace {

template <class T>
Functions<T> functions() {
  return {
      [](const T *x, T *y, std::int64_t count) {
        for (std::int64_t k = 0; k < count; k += LANES<T>) store(y + k, sigmoid<T>(load(x + k)));
      },
      [](const T *x, T *y, std::int64_t count) {
        for (std::int64_t k = 0; k < count; k += LANES<T>) store(y + k, tangent<T>(load(x + k)));
      },
  };
}

}  // namespace

TargetFunctions JOIN(functions_, GATEWISE_TARGET)() {
  return {TEXT(GATEWISE_TARGET), IS_FUSED, functions<float>(), functions<double>()};
}

}  // namespace gatewise
