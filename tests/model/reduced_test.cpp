// Modes that round: f16 and q8_0 caches, q8_0 and f16 weights, against float64 logits of the calm golden
// model.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "kernels/cpu/kernels.h"
#include "support/golden.h"
#include "support/golden_models.h"
#include "support/loaded_model.h"

namespace sambay {
namespace {

struct Mode {
  DType weights, kv;
  double bound;  // relative RMS of the logits
  const char* why;
};
// The last column is the reason; measured values are in docs/testing.md.
constexpr Mode kModes[] = {
    {DType::bf16, DType::f32, 1e-4, "exact weights: float32 rounding through 12 layers"},
    {DType::bf16, DType::f16, 0.01,
     "keys and values rounded to 11 bits, 2^-12 each, amplified some twenty times"},
    {DType::bf16, DType::q8_0, 0.08, "keys and values rounded to 8 bits of their block's largest"},
    {DType::f16, DType::f32, 1e-4, "bf16 values of this size are exact in f16"},
    {DType::q8_0, DType::f32, 0.08, "weights and matrix inputs rounded to 8 bits of their block's largest"},
    {DType::q8_0, DType::q8_0, 0.08, "both; the weights' part dominates"},
};

class Reduced : public ::testing::TestWithParam<std::tuple<const CpuKernels*, Mode>> {};

INSTANTIATE_TEST_SUITE_P(Isa, Reduced,
                         ::testing::Combine(::testing::ValuesIn(compiled_kernels()),
                                            ::testing::ValuesIn(kModes)),
                         [](const auto& tested) {
                           const Mode& mode = std::get<1>(tested.param);
                           return std::string(std::get<0>(tested.param)->name) + "_weights_" +
                                  dtype_info(mode.weights).name + "_kv_" + dtype_info(mode.kv).name;
                         });

double relative_rms(const std::vector<float>& got, const std::vector<float>& expected) {
  double error = 0, sum = 0, squares = 0;
  for (size_t i = 0; i < expected.size(); i++) {
    error += (static_cast<double>(got[i]) - expected[i]) * (static_cast<double>(got[i]) - expected[i]);
    sum += expected[i];
    squares += static_cast<double>(expected[i]) * expected[i];
  }
  const auto n = static_cast<double>(expected.size());
  return std::sqrt(error / n) / std::sqrt(squares / n - (sum / n) * (sum / n));
}

TEST_P(Reduced, LogitsStayWithinTheStatedBound) {
  const auto& [kernels, mode] = GetParam();
  if (!kernels->supported()) GTEST_SKIP() << "this CPU does not have " << kernels->name;
  const test::LoadedModel loaded(test::calm_model(mode.weights), kernels->name, mode.kv);
  const test::Arrays expected(test::golden_path("d_calm_bf16/expected.safetensors"));
  const std::vector<float> logits = loaded.all_logits(expected.ints("p0.input_ids"), 4096);
  const double error = relative_rms(logits, expected.floats("p0.logits"));
  RecordProperty("relative_rms", std::to_string(error));
  std::printf("relative RMS %.5f (bound %.4f: %s)\n", error, mode.bound, mode.why);
  EXPECT_LE(error, mode.bound);
  if (mode.kv != DType::f32 || mode.weights == DType::q8_0) {
    EXPECT_GT(error, 1e-6) << "nothing was rounded: is the mode on?";
  }
}

}  // namespace
}  // namespace sambay
