#include "eval/card.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "eval/few_problems.h"
#include "formats/checkpoint.h"
#include "support/temp_folder.h"

namespace sambay {
namespace {

using test::few_problems;
using test::TempFolder;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

CardOptions options(const TempFolder& folder, std::vector<TypeMix> types) {
  CardOptions o;
  o.eval.model = test::pocket();
  o.eval.threads = 1;
  o.types = std::move(types);
  o.scratch_beside = folder.file("card.json");
  return o;
}

TEST(QualityCardMaker, EvaluatesEveryTypeAndComparesItWithTheModelsOwn) {
  const TempFolder folder;
  const ProblemSet set = few_problems();
  const std::vector<Problem> problems = *choose_problems(set, {}, 0);
  const auto card = make_quality_card(options(folder, {DType::q8_0, DType::bf16}), set, problems);
  ASSERT_TRUE(card) << card.error().message;
  EXPECT_THAT(folder.names(), IsEmpty());
  EXPECT_EQ(card->problems_seed, 7u);
  EXPECT_EQ(card->families_of, "bf16");
  ASSERT_EQ(card->families.size(), 2u);
  EXPECT_EQ(card->families[0].name, "add");
  EXPECT_EQ(card->families[0].problems, 3);
  ASSERT_EQ(card->types.size(), 2u);
  EXPECT_EQ(card->types[0].name, "q8_0");
  EXPECT_GT(card->types[0].kl_mean.value_or(0), 0);
  EXPECT_GT(card->types[0].top1_agreement.value_or(0), 0.5);
  EXPECT_EQ(card->types[0].families.size(), 2u);
  EXPECT_FALSE(card->types[1].kl_mean) << "the weights as trained have nothing to differ from";

  ASSERT_TRUE(write_quality_card(*card, folder.file("card.json")));
  EXPECT_THAT(folder.names(), ElementsAre("card.json"));
  const auto read = parse_quality_card(test::read_file(folder.file("card.json")), "card.json");
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(quality_card_json(*read, false), quality_card_json(*card, false));
}

TEST(QualityCardMaker, LeavesNothingBehindWhenItStops) {
  const TempFolder folder;
  const ProblemSet set = few_problems();
  CardOptions stopped = options(folder, {DType::q8_0});
  int asked = 0;
  stopped.should_stop = [&] { return ++asked > 20; };
  const auto card = make_quality_card(stopped, set, set.problems);
  ASSERT_FALSE(card);
  EXPECT_EQ(card.error().code, ErrorCode::cancelled);
  EXPECT_THAT(folder.names(), IsEmpty());
}

TEST(QualityCardMaker, RefusesNoTypesAndNoFolder) {
  const TempFolder folder;
  const ProblemSet set = few_problems();
  EXPECT_EQ(make_quality_card(options(folder, {}), set, set.problems).error().code,
            ErrorCode::invalid_argument);
  CardOptions nowhere = options(folder, {DType::q8_0});
  nowhere.scratch_beside = folder.file("none/card.json");
  EXPECT_THAT(make_quality_card(nowhere, set, set.problems).error().message,
              HasSubstr("no folder can be made"));
}

}  // namespace
}  // namespace sambay
