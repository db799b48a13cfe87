// The kernels with vectors of 32 bytes; the build gives this file the instruction set of its name.
#define GATEWISE_BYTES 32

#include "../kernels/kernels.h"

namespace gatewise {

Target target_avx2() { return {"avx2", kernels<float>(), kernels<double>()}; }

}  // namespace gatewise
