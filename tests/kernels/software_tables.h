// Kernels for instruction sets that hardly any machine of a test has, in software.
#pragma once

#include "kernels/cpu/kernel_table.h"

namespace sambay::test {

#if defined(__x86_64__)
const CpuKernels& software_avx512();
const CpuKernels& software_avx512_vnni();
#endif

}  // namespace sambay::test
