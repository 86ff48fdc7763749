// Block formats through the whole forward pass, on the golden model whose rows are whole super-blocks:
// against float64 logits of its bf16 weights. How close quantized weights come to float64 evaluations of the
// same quantized weights is tests/quantized_check.py's matter.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "kernels/cpu/kernels.h"
#include "support/golden_models.h"
#include "support/loaded_model.h"
#include "support/random.h"

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

class QuantizedModel : public ::testing::TestWithParam<std::tuple<const CpuKernels*, const char*>> {};

INSTANTIATE_TEST_SUITE_P(Isa, QuantizedModel,
                         ::testing::Combine(::testing::ValuesIn(compiled_kernels()),
                                            ::testing::Values("q8_0", "q6_k", "q5_k_m", "q4_k_m", "q4_0")),
                         [](const auto& tested) {
                           return std::string(std::get<0>(tested.param)->name) + "_" +
                                  std::get<1>(tested.param);
                         });

/// Relative RMS error of a file's matrices, each counting the same.
double weight_error(const std::string& path) {
  const Checkpoint checkpoint = *Checkpoint::open(path);
  const std::vector<TensorSpec> specs = sambay_tensors(test::blocks_config());
  const std::vector<test::BlocksTensor> originals = test::blocks_tensors(test::blocks_config());
  double sum = 0;
  int count = 0;
  for (size_t i = 0; i < specs.size(); i++) {
    const TensorView& stored = *checkpoint.find(specs[i].gguf_name);
    if (!dtype_info(stored.type).is_block()) continue;
    std::vector<float> x(static_cast<size_t>(specs[i].element_count())), y(x.size());
    read_as_f32(originals[i].view, Transform::none, 0, specs[i].element_count(), x.data());
    read_as_f32(stored, Transform::none, 0, specs[i].element_count(), y.data());
    double error = 0, size = 0;
    for (size_t k = 0; k < x.size(); k++) {
      error += std::pow(static_cast<double>(x[k]) - y[k], 2);
      size += std::pow(static_cast<double>(x[k]), 2);
    }
    sum += error / size;
    count++;
  }
  return std::sqrt(sum / count);
}

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

// Errors of the logits as large as NumPy says that errors of the weights (measured here) and the rounding of
// inputs make them, together `error`, would give a KL of error^2 / 2 nats, if they were the same on all
// logits; and the likeliest token changes where such errors change it. A quarter more is for what is not so
// even: matrices differ in how far their errors reach.
TEST_P(QuantizedModel, StaysAsCloseToTheOriginalAsItsWeightsAllow) {
  const auto& [kernels, mix] = GetParam();
  if (!kernels->supported()) GTEST_SKIP() << "this CPU does not have " << kernels->name;
  const std::string path = test::blocks_model(*type_mix_from_name(mix));
  const double of_weights = weight_error(path) * expected().floats("error_per_weight_error")[0];
  const double error = 1.25 * std::hypot(of_weights, expected().floats("error_of_rounding")[0]);

  const test::LoadedModel loaded(path, kernels->name, DType::f16);
  const std::vector<TokenId> ids = expected().ints("p0.input_ids");
  const std::vector<float> original = expected().floats("p0.logits");
  const std::vector<float> logits = loaded.all_logits(ids, 4096);
  const auto vocab = static_cast<size_t>(loaded.vocab());
  constexpr int kDraws = 16;
  test::Random random(3);
  double sum = 0, most = 0, same = 0, same_with_noise = 0;
  for (size_t t = 0; t < ids.size(); t++) {
    const float *p = original.data() + t * vocab, *q = logits.data() + t * vocab;
    const double here = kl(p, q, vocab);
    sum += here;
    most = std::fmax(most, here);
    same += argmax({p, vocab}) == argmax({q, vocab}) ? 1 : 0;
    for (int draw = 0; draw < kDraws; draw++) {
      std::vector<float> noisy = random.normals(loaded.vocab(), static_cast<float>(error));
      for (size_t i = 0; i < vocab; i++) noisy[i] += p[i];
      same_with_noise += argmax({p, vocab}) == argmax(noisy) ? 1.0 / kDraws : 0;
    }
  }
  const auto count = static_cast<double>(ids.size());
  std::printf("KL mean %.5f (bound %.5f), at most %.5f; same first %.3f (bound %.3f)\n", sum / count,
              error * error / 2, most, same / count, same_with_noise / count);
  EXPECT_LE(sum / count, error * error / 2);
  EXPECT_GE(same, same_with_noise);
  EXPECT_GT(sum / count, 1e-6) << "nothing was rounded: is the type on?";
}

}  // namespace
}  // namespace sambay
