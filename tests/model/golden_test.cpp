// The forward pass against independent float64 evaluations (tests/golden/README.md).
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "kernels/cpu/kernels.h"
#include "support/golden.h"
#include "support/loaded_model.h"

namespace sambay {
namespace {

struct Folder {
  const char* name;
  float logit_tolerance;  // tests/golden/README.md: about four times PyTorch's own float32 error
};
constexpr Folder kFolders[] = {
    {"a_f32", 1e-3f}, {"a_bf16", 1e-3f}, {"c_bf16", 4e-3f}, {"d_calm_bf16", 2e-4f}};

float largest_error(const std::vector<float>& got, const std::vector<float>& expected) {
  EXPECT_EQ(got.size(), expected.size());
  float worst = 0;
  for (size_t i = 0; i < std::min(got.size(), expected.size()); i++) {
    const float error = std::fabs(got[i] - expected[i]);
    worst = error <= worst ? worst : error;  // NaN becomes the worst
  }
  return worst;
}

float largest(const std::vector<float>& values) {
  float top = 0;
  for (float v : values) top = std::fmax(top, std::fabs(v));
  return top;
}

class Golden : public ::testing::TestWithParam<std::tuple<const CpuKernels*, Folder>> {
 protected:
  void SetUp() override {
    if (!std::get<0>(GetParam())->supported()) GTEST_SKIP() << "this CPU does not have " << isa();
  }
  std::string isa() const { return std::get<0>(GetParam())->name; }
  Folder folder() const { return std::get<1>(GetParam()); }
  std::string path() const { return test::golden_path(folder().name); }
};

INSTANTIATE_TEST_SUITE_P(
    Isa, Golden, ::testing::Combine(::testing::ValuesIn(compiled_kernels()), ::testing::ValuesIn(kFolders)),
    [](const auto& tested) {
      return std::string(std::get<0>(tested.param)->name) + "_" + std::get<1>(tested.param).name;
    });

TEST_P(Golden, LogitsAndGreedyContinuationOfEveryPromptMatch) {
  const test::LoadedModel loaded(path(), isa(), DType::f32);
  const test::Arrays expected(path() + "/expected.safetensors");
  const auto vocab = static_cast<size_t>(loaded.vocab());
  int prompts = 0;
  for (; expected.has("p" + std::to_string(prompts) + ".input_ids"); prompts++) {
    const std::string p = "p" + std::to_string(prompts) + ".";
    const std::vector<TokenId> ids = expected.ints(p + "input_ids");
    const std::vector<TokenId> greedy = expected.ints(p + "greedy_ids");
    SingleSequence s = loaded.sequence(static_cast<int>(ids.size() + greedy.size()));
    std::vector<float> logits = loaded.feed(s, ids, 4096);
    EXPECT_LE(largest_error(logits, expected.floats(p + "logits")), folder().logit_tolerance) << p;

    logits.erase(logits.begin(), logits.end() - static_cast<ptrdiff_t>(vocab));
    const std::vector<float> greedy_logits = expected.floats(p + "greedy_logits");
    for (size_t step = 0; step < greedy.size(); step++) {
      const std::vector<float> row(greedy_logits.begin() + static_cast<ptrdiff_t>(step * vocab),
                                   greedy_logits.begin() + static_cast<ptrdiff_t>((step + 1) * vocab));
      ASSERT_LE(largest_error(logits, row), folder().logit_tolerance) << p << "greedy step " << step;
      ASSERT_EQ(argmax(logits), greedy[step]) << p << "greedy step " << step;
      logits = loaded.feed(s, {&greedy[step], 1}, 1);
    }
  }
  EXPECT_GE(prompts, 2);
}

// Intermediate results carry the same relative error as the logits they lead to; where their values are
// large, the tolerance grows with them.
TEST_P(Golden, EveryIntermediateResultMatches) {
  const test::LoadedModel loaded(path(), isa(), DType::f32);
  const test::Arrays expected(path() + "/expected.safetensors");
  const std::string p = expected.has("p0.embed") ? "p0." : "p1.";
  const std::vector<TokenId> ids = expected.ints(p + "input_ids");
  std::map<std::string, std::vector<float>> got;
  const Probe probe = [&](std::string_view name, int layer, Rows<const float> rows) {
    std::vector<float>& to = got[std::string(name) + (layer < 0 ? "" : "." + std::to_string(layer))];
    for (int64_t r = 0; r < rows.rows; r++) to.insert(to.end(), rows.row(r), rows.row(r) + rows.cols);
  };
  SingleSequence s = loaded.sequence(static_cast<int>(ids.size()));
  loaded.feed(s, ids, 5, &probe);  // in uneven chunks
  for (int layer = 0; layer < loaded.model->info().layers; layer++)
    for (const char* name : {"conv_state", "ssm_state"}) {
      std::vector<float> state = loaded.model->read_state(name, layer, s.slot());
      if (!state.empty()) got[std::string(name) + "." + std::to_string(layer)] = std::move(state);
    }

  int compared = 0;
  for (const std::string& name : expected.names()) {
    const std::string bare = name.substr(3);
    if (name.substr(0, 3) != p || bare == "input_ids" || bare == "logits" || bare.starts_with("greedy"))
      continue;
    const std::vector<float> values = expected.floats(name);
    ASSERT_TRUE(got.count(bare)) << bare;
    EXPECT_LE(largest_error(got[bare], values), folder().logit_tolerance * std::fmax(1.0f, largest(values)))
        << bare;
    compared++;
    got.erase(bare);
  }
  EXPECT_GE(compared, 4 + 2 * loaded.model->info().layers);
  EXPECT_TRUE(got.empty()) << got.begin()->first << " is not in the golden file";
}

}  // namespace
}  // namespace sambay
