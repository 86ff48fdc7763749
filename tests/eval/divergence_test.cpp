#include "eval/divergence.h"

#include <gtest/gtest.h>

#include "convert/convert.h"
#include "eval/few_problems.h"
#include "support/temp_folder.h"

namespace sambay {
namespace {

TEST(MeasureDivergence, OfAModelFromItselfIsZeroAndOfAQuantizedOneIsNot) {
  const test::TempFolder folder;
  ConvertOptions convert_options;
  convert_options.model = test::pocket();
  convert_options.out_file = folder.file("q8_0.gguf");
  convert_options.type = DType::q8_0;
  ASSERT_TRUE(convert(convert_options));

  DivergenceOptions options;
  options.reference = test::pocket();
  options.models = {test::pocket(), folder.file("q8_0.gguf")};
  options.threads = 1;
  std::vector<Problem> problems = test::few_problems().problems;
  problems[0].messages[0].content += std::string(100, '7');  // a prompt longer than one step
  const auto found = measure_divergence(options, problems);
  ASSERT_TRUE(found) << found.error().message;
  const Divergence &same = (*found)[0], &quantized = (*found)[1];
  EXPECT_EQ(same.kl_quantile(1), 0);
  EXPECT_EQ(same.top1_agreement(), 1);
  // <think>, </think> and <|end|> of each, and one token for each character of 3+4=7 and 7, ...
  EXPECT_EQ(same.tokens(), 4 * 3 + (5 + 1) + (6 + 2) + 2 * (8 + 2));
  EXPECT_EQ(quantized.tokens(), same.tokens());
  EXPECT_GT(quantized.kl_mean(), 0);
  EXPECT_LT(quantized.kl_mean(), 0.5);  // far below what another model would give: log(vocabulary) is 7
}

TEST(MeasureDivergence, NeedsExpectedWork) {
  DivergenceOptions options;
  options.reference = test::pocket();
  options.models = {test::pocket()};
  options.threads = 1;
  std::vector<Problem> problems = test::few_problems().problems;
  problems[1].thinking.reset();
  const auto found = measure_divergence(options, problems);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, ErrorCode::invalid_argument);
  EXPECT_NE(found.error().message.find(problems[1].key), std::string::npos) << found.error().message;
}

TEST(MeasureDivergence, RefusesModelsOfOtherVocabulariesAndStops) {
  DivergenceOptions options;
  options.reference = test::pocket();
  options.models = {SAMBAY_TEST_DATA "/golden/a_f32"};
  options.threads = 1;
  const std::vector<Problem> problems = test::few_problems().problems;
  EXPECT_EQ(measure_divergence(options, problems).error().code, ErrorCode::unsupported);
  options.models = {test::pocket()};
  options.should_stop = [] { return true; };
  EXPECT_EQ(measure_divergence(options, problems).error().code, ErrorCode::cancelled);
}

}  // namespace
}  // namespace sambay
