// The model in the repository against plain PyTorch on the same weights (models/pocket/golden.json).
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "kernels/cpu/kernels.h"
#include "support/loaded_model.h"

namespace sambay {
namespace {

class Pocket : public ::testing::TestWithParam<const CpuKernels*> {
 protected:
  void SetUp() override {
    if (!GetParam()->supported()) GTEST_SKIP() << "this CPU does not have " << GetParam()->name;
    std::ifstream file(folder() + "/golden.json");
    golden_ = nlohmann::json::parse(file, nullptr, false);
    ASSERT_TRUE(golden_.is_object());
    ASSERT_GE(golden_["cases"].size(), 20u);
  }
  static std::string folder() { return std::string(SAMBAY_SOURCE_DIR) + "/models/pocket"; }
  nlohmann::json golden_;
};

INSTANTIATE_TEST_SUITE_P(Isa, Pocket, ::testing::ValuesIn(compiled_kernels()),
                         [](const auto& tested) { return std::string(tested.param->name); });

TEST_P(Pocket, LastLogitsMatchPyTorch) {
  const test::LoadedModel loaded(folder(), GetParam()->name, DType::f32);
  const float error = golden_["max_abs_error_fp32_vs_fp64"];
  ASSERT_LT(error, 1e-3f);
  for (const auto& example : golden_["cases"]) {
    const auto ids = example["prompt_ids"].get<std::vector<TokenId>>();
    const auto expected = example["last_logits"].get<std::vector<float>>();
    SingleSequence s = loaded.sequence(static_cast<int>(ids.size()));
    const std::vector<float> logits = loaded.last_logits(s, ids, 7);
    ASSERT_EQ(logits.size(), expected.size());
    // PyTorch's own float32 error, ours is of the same kind, and the file has seven digits of about 10.
    for (size_t i = 0; i < expected.size(); i++)
      ASSERT_NEAR(logits[i], expected[i], 4 * error + 1e-5) << example["prompt"];
  }
}

TEST_P(Pocket, GreedyContinuationsMatchPyTorch) {
  const test::LoadedModel loaded(folder(), GetParam()->name, DType::f16);
  for (const auto& example : golden_["cases"]) {
    const auto ids = example["prompt_ids"].get<std::vector<TokenId>>();
    auto expected = example["greedy_ids"].get<std::vector<TokenId>>();
    expected.push_back(example["stop_id"].get<TokenId>());
    SingleSequence s = loaded.sequence(static_cast<int>(ids.size() + expected.size()));
    std::vector<float> logits = loaded.last_logits(s, ids, 4096);
    std::vector<TokenId> got;
    for (size_t i = 0; i < expected.size(); i++) {
      got.push_back(argmax(logits));
      logits = loaded.last_logits(s, {&got.back(), 1}, 1);
    }
    EXPECT_EQ(got, expected) << example["prompt"];
  }
}

}  // namespace
}  // namespace sambay
