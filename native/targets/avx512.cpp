// The kernels with vectors of 64 bytes; the build gives this file the instruction set of its name.
#define GATEWISE_BYTES 64

#include "../kernels/kernels.h"

namespace gatewise {

Target target_avx512() { return {"avx512", kernels<float>(), kernels<double>()}; }

}  // namespace gatewise
