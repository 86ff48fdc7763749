// Built with -march=armv8.2-a+dotprod+i8mm. Only static code and C headers below this line (see
// kernel_table.h).
#include "kernels/cpu/isa.h"

#if defined(__aarch64__)
// clang-format off
#include "kernels/cpu/vec_neon.h"
#include "kernels/cpu/lanes_neon.h"
#include "kernels/cpu/generic_kernels.inc"
#include "kernels/cpu/attention.inc"
#include "kernels/cpu/attention_wide.inc"
#include "kernels/cpu/panel_walk.inc"
#include "kernels/cpu/panel_neon.inc"
#include "kernels/cpu/limits.inc"
// clang-format on

namespace sambay {
namespace {

// Constant-initialized: nothing of this file runs before the CPU was asked.
constexpr CpuKernels make_table() {
  CpuKernels k{};
  k.name = "neon_i8mm";
  k.supported = cpu_has_neon_i8mm;
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
const CpuKernels& kernels_neon_i8mm() { return kTable; }

}  // namespace sambay

#endif
