// The oracle: plain loops, one float at a time, the C library's elementary functions. Never removed, however
// fast the others get.
#include "kernels/cpu/isa.h"
// clang-format off
#include "kernels/cpu/vec_scalar.h"
#include "kernels/cpu/generic_kernels.inc"
// clang-format on

namespace sambay {
namespace {

void quantize_row(const float* x, int8_t* q, float* scales, int64_t cols) {
  for (int64_t b = 0; b < cols / 32; b++, x += 32, q += 32) {
    float largest = 0;
    for (int i = 0; i < 32; i++) largest = fabsf(x[i]) > largest ? fabsf(x[i]) : largest;
    scales[b] = largest / 127.0f;
    const float inverse = largest > 0 ? 127.0f / largest : 0.0f;
    for (int i = 0; i < 32; i++) {
      const float scaled = nearbyintf(x[i] * inverse);
      // The comparison also turns NaN into a number: the scale carries NaN and infinity on.
      q[i] = static_cast<int8_t>(scaled >= -127.0f ? (scaled <= 127.0f ? scaled : 127.0f) : -127.0f);
    }
    // fabsf(NaN) > largest is false, so say it in the scale: a bad row must not look like a good one.
    for (int i = 0; i < 32; i++)
      if (!(fabsf(x[i]) <= largest)) scales[b] = NAN;
  }
}

template <int R, int C>
struct Q8Tile {
  static void run(const MatMulArgs& a, int64_t r, int64_t t) {
    for (int i = 0; i < R; i++)
      for (int j = 0; j < C; j++) {
        const uint8_t* w = a.weight + (r + i) * a.row_bytes;
        const int8_t* x = a.xq + (t + j) * a.cols;
        const float* scales = a.xs + (t + j) * (a.cols / 32);
        float total = 0;
        for (int64_t b = 0; b < a.cols / 32; b++, w += 34, x += 32) {
          uint16_t scale;
          memcpy(&scale, w, 2);
          int32_t dot = 0;
          for (int k = 0; k < 32; k++) dot += static_cast<int32_t>(static_cast<int8_t>(w[2 + k])) * x[k];
          total += static_cast<float>(dot) * (f16_to_f32(scale) * scales[b]);
        }
        a.y[(t + j) * a.y_stride + r + i] = a.bias ? total + a.bias[r + i] : total;
      }
  }
};

void matmul_q8_0(const MatMulArgs& a) { walk_tiles<Q8Tile, 1, 1>(a); }

constexpr CpuKernels make_table() {
  CpuKernels k{};
  k.name = "scalar";
  k.supported = cpu_has_scalar;
  fill_generic(k);
  k.quantize_row = quantize_row;
  k.matmul[kKernelQ8_0] = matmul_q8_0;
  k.quantizes_input[kKernelQ8_0] = true;
  return k;
}
constexpr CpuKernels kTable = make_table();

}  // namespace

const CpuKernels& kernels_scalar() { return kTable; }

}  // namespace sambay
