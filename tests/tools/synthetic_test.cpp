#include "tools/synthetic.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <set>
#include <string>

#include "base/thread_pool.h"
#include "tools/random_blocks.h"

namespace sambay {
namespace {

SambaYConfig tiny() {
  SambaYConfig config = *sambay_preset("small");
  config.layers = 4, config.hidden = 256, config.heads = config.kv_heads = 4, config.intermediate = 512;
  config.vocab = 1000, config.dt_rank = 16;
  return config;
}

class EveryMix : public ::testing::TestWithParam<TypeMix> {};

TEST_P(EveryMix, GivesMatricesOfTheTypesOfConvertAndOfSaneScale) {
  const SambaYConfig config = tiny();
  const SyntheticModel model = *SyntheticModel::create(config, GetParam(), 2);
  EXPECT_EQ(stored_mix_name(model.checkpoint()), GetParam().name);
  for (const TensorSpec& spec : sambay_tensors(config)) {
    const TensorView& tensor = *model.checkpoint().find(spec.gguf_name);
    const DType wanted = wanted_type(spec, config, GetParam(), {});
    EXPECT_EQ(tensor.type,
              spec.is_matrix ? fitting_type(wanted, spec.shape.back(), DType::bf16) : DType::f32);
    if (!spec.is_matrix) continue;
    std::vector<float> values(static_cast<size_t>(spec.element_count()));
    read_as_f32(tensor, Transform::none, 0, spec.element_count(), values.data());
    double squares = 0;
    for (const float v : values) squares += static_cast<double>(v) * v;
    // 1 / cols by design; formats of two bits change the variance by less than a third.
    const double variance = squares / static_cast<double>(values.size()) * static_cast<double>(spec.shape[1]);
    EXPECT_NEAR(variance, 1.0, 0.3) << spec.gguf_name << " " << dtype_info(tensor.type).name;
  }
}

INSTANTIATE_TEST_SUITE_P(Mixes, EveryMix, ::testing::ValuesIn(all_type_mixes()),
                         [](const auto& mix) { return std::string(mix.param.name); });

TEST(SyntheticModel, IsTheSameForAnyNumberOfThreads) {
  const TypeMix mix = *type_mix_from_name("q4_k_m");
  const SyntheticModel one = *SyntheticModel::create(tiny(), mix, 1),
                       three = *SyntheticModel::create(tiny(), mix, 3);
  for (const TensorView& tensor : one.checkpoint().tensors()) {
    const TensorView& other = *three.checkpoint().find(tensor.name);
    ASSERT_EQ(tensor.bytes.size(), other.bytes.size());
    EXPECT_EQ(std::memcmp(tensor.bytes.data(), other.bytes.data(), tensor.bytes.size()), 0) << tensor.name;
  }
}

TEST(RandomBlocks, DrawsOtherRunsAtOtherPlacesAndTheSameAtTheSame) {
  ThreadPool threads(1);
  const RandomBlocks blocks(DType::q8_0, 1.0f, threads);
  constexpr int kRuns = 1000;
  std::vector<std::byte> bytes(kRuns * 34), again(34);
  blocks.fill(bytes.data(), kRuns * 32, 5, 100);
  std::set<std::string> seen;
  for (int r = 0; r < kRuns; r++) {
    blocks.fill(again.data(), 32, 5, 100 + r);
    EXPECT_EQ(std::memcmp(bytes.data() + r * 34, again.data(), 34), 0);
    seen.emplace(reinterpret_cast<const char*>(bytes.data() + r * 34), 34);
  }
  // 1,000 draws from a pool of 2,048 hit 2048 (1 - exp(-1000 / 2048)) = 791 different ones, give or take 20.
  EXPECT_NEAR(static_cast<double>(seen.size()), 791, 80);
}

TEST(RandomBlocks, FillsShortRowsOfPlainTypesToTheirEndOnly) {
  ThreadPool threads(1);
  const RandomBlocks blocks(DType::f32, 2.0f, threads);
  std::vector<float> row(41, 7.0f);
  blocks.fill(reinterpret_cast<std::byte*>(row.data()), 40, 1, 0);
  EXPECT_EQ(row[40], 7.0f);
  for (int i = 0; i < 40; i++) EXPECT_LE(std::abs(row[static_cast<size_t>(i)]), 2.0f);
  EXPECT_NE(row[0], row[32]);
}

}  // namespace
}  // namespace sambay
