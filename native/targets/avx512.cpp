// The kernels with vectors of 64 bytes; the build gives this file the instruction set of its name.
#define GATEWISE_BYTES 64

#if !defined(__AVX512F__) || !defined(__AVX512DQ__) || !defined(__AVX512BW__) || \
    !defined(__AVX512VL__) || !defined(__FMA__)
#error "this file is compiled without a part of AVX-512: see CMakeLists.txt"
#endif

#include "../kernels/kernels.h"

namespace gatewise {

Target target_avx512() { return {"avx512", kernels<float>(), kernels<double>(), draw_rows}; }

}  // namespace gatewise
