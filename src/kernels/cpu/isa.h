// The tables that the sealed files define, and the questions asked before one is used.
#pragma once

#include "kernels/cpu/kernel_table.h"

namespace sambay {

const CpuKernels& kernels_scalar();
#if defined(__x86_64__)
const CpuKernels& kernels_avx2();
const CpuKernels& kernels_avx512();
#elif defined(__aarch64__)
const CpuKernels& kernels_neon();
const CpuKernels& kernels_neon_dotprod();
#endif

bool cpu_has_scalar();
bool cpu_has_avx2();    // with FMA and F16C, which every AVX2 CPU of the last ten years has
bool cpu_has_avx512();  // with F, BW, DQ, VL and VNNI: Intel since 2019, AMD since Zen 4
bool cpu_has_neon();
bool cpu_has_neon_dotprod();  // of Armv8.2: Cortex-A55, A76, Neoverse N1 and later, Raspberry Pi 5

}  // namespace sambay
