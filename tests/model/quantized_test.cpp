// Block formats through the whole forward pass, on the golden model whose rows are whole super-blocks:
// against float64 logits of its bf16 weights. How close quantized weights come to float64 evaluations of the
// same quantized weights is tests/quantized_check.py's matter.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "kernels/cpu/kernels.h"
#include "support/golden_models.h"
#include "support/loaded_model.h"
#include "tensor/packed_weight.h"

namespace sambay {
namespace {

const test::Arrays& expected() {
  static const test::Arrays arrays(test::golden_path("e_blocks/expected.safetensors"));
  return arrays;
}

TEST(BlocksModel, HasTheWeightsThatTheScriptMakes) {
  const SambaYConfig config = test::blocks_config();
  for (const test::BlocksTensor& tensor : test::blocks_tensors(config)) {
    uint64_t sum = 0;
    for (size_t i = 0; i < tensor.bits.size(); i++) sum += (i % 65521 + 1) * tensor.bits[i];
    const std::vector<int32_t> checksum = expected().ints("checksum." + tensor.view.name);
    EXPECT_EQ(static_cast<int64_t>(sum % (uint64_t{1} << 31)), checksum[0]) << tensor.view.name;
  }
}

TEST(BlocksModel, AlmostEveryMatrixIsWhatTheMixSays) {
  for (const char* name : {"q4_k_m", "q5_k_m", "q6_k"}) {
    const TypeMix mix = *type_mix_from_name(name);
    const Checkpoint checkpoint = *Checkpoint::open(test::blocks_model(mix));
    for (const TensorSpec& spec : sambay_tensors(test::blocks_config())) {
      if (!spec.is_matrix) continue;
      const DType type = checkpoint.find(spec.gguf_name)->type;
      if (spec.role == Role::dt_proj) {
        EXPECT_EQ(type, DType::bf16) << spec.gguf_name;  // rows of 16
      } else {
        EXPECT_EQ(type, wanted_type(spec, test::blocks_config(), mix, {})) << spec.gguf_name;
      }
    }
  }
}

class EveryKernelSet : public ::testing::TestWithParam<const CpuKernels*> {
 protected:
  void SetUp() override {
    if (!GetParam()->supported()) GTEST_SKIP() << "this CPU does not have " << GetParam()->name;
  }
};

INSTANTIATE_TEST_SUITE_P(Isa, EveryKernelSet, ::testing::ValuesIn(compiled_kernels()),
                         [](const auto& tested) { return std::string(tested.param->name); });

// Tolerance as for d_calm_bf16, whose float32 error is the same (tests/golden/README.md).
TEST_P(EveryKernelSet, UnquantizedLogitsAndGreedyContinuationMatch) {
  const test::LoadedModel loaded(test::blocks_model(DType::bf16), GetParam()->name, DType::f32);
  const auto vocab = static_cast<size_t>(loaded.vocab());
  for (const std::string p : {"p0.", "p1."}) {
    const std::vector<TokenId> ids = expected().ints(p + "input_ids");
    const std::vector<TokenId> greedy = expected().ints(p + "greedy_ids");
    const std::vector<float> rows = expected().floats(p + "logits");
    const std::vector<float> greedy_rows = expected().floats(p + "greedy_logits");
    SingleSequence s = loaded.sequence(static_cast<int>(ids.size() + greedy.size()));
    const std::vector<float> logits = loaded.feed(s, ids, 4096);
    ASSERT_EQ(logits.size(), rows.size());
    for (size_t i = 0; i < rows.size(); i++) ASSERT_NEAR(logits[i], rows[i], 2e-4f) << p << i;
    for (size_t step = 0; step + 1 < greedy.size(); step++) {
      const std::vector<float> next = loaded.feed(s, {&greedy[step], 1}, 1);
      EXPECT_EQ(argmax(next), greedy[step + 1]) << p << step;
      for (size_t i = 0; i < vocab; i++)
        ASSERT_NEAR(next[i], greedy_rows[(step + 1) * vocab + i], 2e-4f) << p << step;
    }
  }
}

/// What a mix may cost, in nats per token from float64 logits of the bf16 weights, and how often the
/// likeliest token must be the same. docs/testing.md has what was measured and why the bounds are these.
struct Quality {
  const char* mix;
  double kl_mean, kl_max, same_first;
};
constexpr Quality kQualities[] = {
    {"q8_0", 0.001, 0.01, 0.95}, {"q6_k", 0.003, 0.02, 0.95}, {"q5_k_m", 0.006, 0.04, 0.9},
    {"q4_k_m", 0.02, 0.1, 0.8},  {"q4_0", 0.04, 0.2, 0.75},
};

class QuantizedModel : public ::testing::TestWithParam<std::tuple<const CpuKernels*, Quality>> {};

INSTANTIATE_TEST_SUITE_P(Isa, QuantizedModel,
                         ::testing::Combine(::testing::ValuesIn(compiled_kernels()),
                                            ::testing::ValuesIn(kQualities)),
                         [](const auto& tested) {
                           return std::string(std::get<0>(tested.param)->name) + "_" +
                                  std::get<1>(tested.param).mix;
                         });

/// log of the sum of exp, in double.
double log_sum(const float* row, size_t count) {
  double top = row[0], sum = 0;
  for (size_t i = 0; i < count; i++) top = std::fmax(top, row[i]);
  for (size_t i = 0; i < count; i++) sum += std::exp(row[i] - top);
  return top + std::log(sum);
}

double kl(const float* p, const float* q, size_t count) {
  const double log_p = log_sum(p, count), log_q = log_sum(q, count);
  double sum = 0;
  for (size_t i = 0; i < count; i++) sum += std::exp(p[i] - log_p) * ((p[i] - log_p) - (q[i] - log_q));
  return sum;
}

TEST_P(QuantizedModel, StaysAsCloseToTheOriginalAsStated) {
  const auto& [kernels, quality] = GetParam();
  if (!kernels->supported()) GTEST_SKIP() << "this CPU does not have " << kernels->name;
  const test::LoadedModel loaded(test::blocks_model(*type_mix_from_name(quality.mix)), kernels->name,
                                 DType::f16);
  const std::vector<TokenId> ids = expected().ints("p0.input_ids");
  const std::vector<float> original = expected().floats("p0.logits");
  const std::vector<float> logits = loaded.all_logits(ids, 4096);
  const auto vocab = static_cast<size_t>(loaded.vocab());
  double sum = 0, most = 0, same = 0;
  for (size_t t = 0; t < ids.size(); t++) {
    const float *p = original.data() + t * vocab, *q = logits.data() + t * vocab;
    const double here = kl(p, q, vocab);
    sum += here;
    most = std::fmax(most, here);
    same += argmax({p, vocab}) == argmax({q, vocab}) ? 1 : 0;
  }
  const auto count = static_cast<double>(ids.size());
  std::printf("KL mean %.5f, at most %.5f; same first %.3f\n", sum / count, most, same / count);
  EXPECT_LE(sum / count, quality.kl_mean);
  EXPECT_LE(most, quality.kl_max);
  EXPECT_GE(same / count, quality.same_first);
  EXPECT_GT(sum / count, 1e-7) << "nothing was rounded: is the type on?";
}

}  // namespace
}  // namespace sambay
