// The tables that the sealed files define, and the questions asked before one is used.
#pragma once

#include "kernels/cpu/kernel_table.h"

namespace sambay {

const CpuKernels& kernels_scalar();
#if defined(__x86_64__)
const CpuKernels& kernels_avx2();
const CpuKernels& kernels_avx512();
const CpuKernels& kernels_avx512_vnni();
#elif defined(__aarch64__)
const CpuKernels& kernels_neon();
const CpuKernels& kernels_neon_dotprod();
const CpuKernels& kernels_neon_i8mm();
#endif

bool cpu_has_scalar();
bool cpu_has_avx2();         // with FMA and F16C, which every AVX2 CPU of the last ten years has
bool cpu_has_avx512();       // with F, BW, DQ and VL: Intel's servers since 2017
bool cpu_has_avx512_vnni();  // Intel since 2019, AMD since Zen 4
bool cpu_has_neon();
bool cpu_has_neon_dotprod();  // of Armv8.2: Cortex-A55, A76, Neoverse N1 and later, Raspberry Pi 5
bool cpu_has_neon_i8mm();     // of Armv8.6: Cortex-A510, A710, X2, Neoverse V1 and N2, Apple M2 and later

}  // namespace sambay
