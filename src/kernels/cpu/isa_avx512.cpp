// Built with -mavx512{f,bw,dq,vl}. Only static code and C headers below this line (see kernel_table.h).
#include "kernels/cpu/isa.h"

#if defined(__x86_64__)
// clang-format off
#include "kernels/cpu/vec_avx512.h"
#include "kernels/cpu/lanes_avx512.h"
#include "kernels/cpu/generic_kernels.inc"
#include "kernels/cpu/attention.inc"
#include "kernels/cpu/attention_wide.inc"
#include "kernels/cpu/panel_walk.inc"
#include "kernels/cpu/panel_avx512.inc"
#include "kernels/cpu/limits.inc"
// clang-format on

namespace sambay {
namespace {

// Constant-initialized: nothing of this file runs before the CPU was asked.
constexpr CpuKernels make_table() {
  CpuKernels k{};
  k.name = "avx512";
  k.supported = cpu_has_avx512;
  fill_generic(k);
  fill_attention<WideAttention>(k);
  k.quantize_row = quantize_row;
  fill_panels(k);
  fill_limits(k);
  return k;
}
constexpr CpuKernels kTable = make_table();

}  // namespace

// Only returns an address, so any CPU may ask.
const CpuKernels& kernels_avx512() { return kTable; }

}  // namespace sambay

#endif
