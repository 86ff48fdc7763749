// The tables that the sealed files define, and the questions asked before one is used.
#pragma once

#include "kernels/cpu/kernel_table.h"

namespace sambay {

const CpuKernels& kernels_scalar();
#if defined(__x86_64__)
const CpuKernels& kernels_avx2();
const CpuKernels& kernels_avx512();
#endif

bool cpu_has_scalar();
bool cpu_has_avx2();    // with FMA and F16C, which every AVX2 CPU of the last ten years has
bool cpu_has_avx512();  // with F, BW, DQ, VL and VNNI: Intel since 2019, AMD since Zen 4

}  // namespace sambay
