// The kernels with vectors of 16 bytes; the build gives this file the instruction set of its name.
#define GATEWISE_BYTES 16

#include "../kernels/kernels.h"

namespace gatewise {

Target target_baseline() { return {"baseline", kernels<float>(), kernels<double>()}; }

}  // namespace gatewise
