// The kernels with vectors of 32 bytes; the build gives this file the instruction set of its name.
#define GATEWISE_BYTES 32

#if !defined(__AVX2__) || !defined(__FMA__)
#error "this file is compiled without AVX2 or FMA: see CMakeLists.txt"
#endif

#include "../kernels/kernels.h"

namespace gatewise {

Target target_avx2() { return {"avx2", kernels<float>(), kernels<double>(), draw_rows}; }

}  // namespace gatewise
