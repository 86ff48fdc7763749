// The oracle: plain loops, one float at a time, the C library's elementary functions. Never removed, however
// fast the others get.
#include "kernels/cpu/isa.h"
// clang-format off
#include "kernels/cpu/vec_scalar.h"
#include "kernels/cpu/generic_kernels.inc"
#include "kernels/cpu/attention.inc"
#include "kernels/cpu/panel_scalar.inc"
#include "kernels/cpu/limits.inc"
// clang-format on

namespace sambay {
namespace {

void quantize_row(const float* x, int8_t* levels, InputBlock* blocks, int64_t cols) {
  for (int64_t b = 0; b < cols / 32; b++, x += 32, levels += 32) {
    float largest = 0;
    for (int i = 0; i < 32; i++) largest = fabsf(x[i]) > largest ? fabsf(x[i]) : largest;
    const float inverse = largest > 0 ? 127.0f / largest : 0.0f;
    int32_t halves[2] = {0, 0};
    for (int i = 0; i < 32; i++) {
      const float scaled = nearbyintf(x[i] * inverse);
      // The comparison also turns NaN into a number: the scale carries NaN and infinity on.
      levels[i] = static_cast<int8_t>(scaled >= -127.0f ? (scaled <= 127.0f ? scaled : 127.0f) : -127.0f);
      halves[i / 16] += levels[i];
    }
    InputBlock& block = blocks[b];
    block.scale = largest / 127.0f;
    // fabsf(NaN) > largest is false, so say it in the scale: a bad row must not look like a good one.
    for (int i = 0; i < 32; i++)
      if (!(fabsf(x[i]) <= largest)) block.scale = NAN;
    block.scaled_sum = block.scale * static_cast<float>(halves[0] + halves[1]);
    block.minus_sum = -(halves[0] + halves[1]);
    block.minus_lower_sum = -halves[0];
  }
}

constexpr CpuKernels make_table() {
  CpuKernels k{};
  k.name = "scalar";
  k.supported = cpu_has_scalar;
  fill_generic(k);
  fill_attention<PlainAttention>(k);
  k.quantize_row = quantize_row;
  fill_panels(k);
  fill_limits(k);
  return k;
}
constexpr CpuKernels kTable = make_table();

}  // namespace

const CpuKernels& kernels_scalar() { return kTable; }

}  // namespace sambay
