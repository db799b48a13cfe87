// The kernels with vectors of 16 bytes; the build gives this file the instruction set of its name.
#define GATEWISE_BYTES 16

#if defined(__AVX__)
#error "this file must run on every x86-64, so leave -march and -mavx out of CXXFLAGS"
#endif

#include "../kernels/kernels.h"

namespace gatewise {

Target target_baseline() { return {"baseline", kernels<float>(), kernels<double>(), draw_rows}; }

}  // namespace gatewise
