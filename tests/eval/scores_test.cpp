#include "eval/scores.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "eval/few_problems.h"
#include "tools/work_check.h"

namespace sambay {
namespace {

using test::few_problems;
using ::testing::AllOf;
using ::testing::HasSubstr;

std::vector<std::string> keys(const std::vector<Problem>& problems) {
  std::vector<std::string> out;
  for (const Problem& problem : problems) out.push_back(problem.key);
  return out;
}

EvalOptions options(int parallel = 3) {
  EvalOptions o;
  o.model = test::pocket();
  o.threads = 1;
  o.parallel = parallel;
  o.max_tokens = 200;
  return o;
}

TEST(ChooseProblems, GroupsFamiliesAndTakesTheFirstOfEach) {
  const ProblemSet set = few_problems();
  using Keys = std::vector<std::string>;
  EXPECT_EQ(keys(*choose_problems(set, {}, 0)), (Keys{"add:3+4", "add:20+30", "add:21+31", "mul:3*4"}));
  EXPECT_EQ(keys(*choose_problems(set, {}, 1)), (Keys{"add:3+4", "mul:3*4"}));
  const Keys mul{"mul"}, nothing{"mul", "magic"};
  EXPECT_EQ(keys(*choose_problems(set, mul, 9)), (Keys{"mul:3*4"}));
  EXPECT_THAT(choose_problems(set, nothing, 0).error().message, HasSubstr("'magic'; there are add, mul"));
  EXPECT_EQ(choose_problems(set, {}, -1).error().code, ErrorCode::invalid_argument);
}

// The same answers count as another right one; and work that nobody expected, when its arithmetic is right.
TEST(EvaluateProblems, AcceptsOtherAnswersAndWorkThatNobodyExpected) {
  std::vector<Problem> problems = *choose_problems(few_problems(), {}, 0);
  for (Problem& problem : problems) problem.answer = "nonsense", problem.thinking.reset();
  const auto wrong = evaluate_problems(options(), problems, {});
  ASSERT_TRUE(wrong) << wrong.error().message;
  ASSERT_EQ(wrong->failures.size(), 4u);
  int64_t right_work = 0;
  for (size_t i = 0; i < problems.size(); i++) {
    const EvalFailure& failure = wrong->failures[i];
    EXPECT_EQ(failure.work_fault, arithmetic_fault(failure.thinking));
    right_work += failure.work_fault.empty();
    problems[i].also_right = {"more nonsense", failure.answer};
  }
  EXPECT_EQ(wrong->total().work_right, right_work);
  EXPECT_EQ(wrong->total().answer_right, 0);
  EXPECT_THAT(scores_json(*wrong, true), HasSubstr(R"("expected_thinking":null)"));

  const auto right = evaluate_problems(options(), problems, {});
  ASSERT_TRUE(right) << right.error().message;
  EXPECT_EQ(right->total().answer_right, 4);
}

// Expected is first nonsense, then what the model wrote: whatever that is.
TEST(EvaluateProblems, CountsWhatEqualsTheExpected) {
  std::vector<Problem> problems = *choose_problems(few_problems(), {}, 0);
  for (Problem& problem : problems) problem.answer = "nonsense", problem.thinking = " nonsense";
  const auto wrong = evaluate_problems(options(), problems, {});
  ASSERT_TRUE(wrong) << wrong.error().message;
  ASSERT_EQ(wrong->failures.size(), 4u);
  EXPECT_EQ(wrong->total().answer_right, 0);
  EXPECT_EQ(wrong->total().work_right, 0);
  EXPECT_GT(wrong->total().tokens, 0);

  for (size_t i = 0; i < problems.size(); i++) {
    EXPECT_EQ(wrong->failures[i].problem, &problems[i]) << "in the order of the problems";
    ASSERT_EQ(wrong->failures[i].cut, "") << "the model does not end: " << wrong->failures[i].answer;
    problems[i].answer = wrong->failures[i].answer;
    problems[i].thinking = wrong->failures[i].thinking;
  }
  problems[3].answer += "!";
  const auto right = evaluate_problems(options(1), problems, {});
  ASSERT_TRUE(right) << right.error().message;
  ASSERT_EQ(right->families.size(), 2u);
  EXPECT_EQ(right->families[0].family, "add");
  EXPECT_EQ(right->families[0].both_right, 3);
  EXPECT_EQ(right->families[1].answer_right, 0);
  EXPECT_EQ(right->families[1].work_right, 1);
  EXPECT_EQ(right->families[1].both_right, 0);
  EXPECT_EQ(right->total().tokens, wrong->total().tokens) << "company changes nothing";
  ASSERT_EQ(right->failures.size(), 1u);
  EXPECT_EQ(right->failures[0].problem->key, "mul:3*4");
}

TEST(EvaluateProblems, AnAnswerThatDoesNotEndIsWrong) {
  const std::vector<Problem> problems = *choose_problems(few_problems(), {}, 1);
  EvalOptions short_answers = options();
  short_answers.max_tokens = 1;
  const auto report = evaluate_problems(short_answers, problems, {});
  ASSERT_TRUE(report) << report.error().message;
  ASSERT_EQ(report->failures.size(), 2u);
  EXPECT_EQ(report->failures[0].cut, "length");
  EXPECT_EQ(report->total().answer_right, 0);
  EXPECT_EQ(report->total().tokens, 2);
}

TEST(EvaluateProblems, RefusesWhatCannotBe) {
  const std::vector<Problem> problems = *choose_problems(few_problems(), {}, 1);
  EXPECT_EQ(evaluate_problems(options(0), problems, {}).error().code, ErrorCode::invalid_argument);
  std::vector<Problem> endless = problems;
  for (int i = 0; i < 30'000; i++) endless[0].messages[0].content += "7";
  EXPECT_THAT(evaluate_problems(options(), endless, {}).error().message,
              AllOf(HasSubstr("add:3+4: prompt: "), HasSubstr("leave no room")));
  EvalCallbacks stop;
  stop.should_stop = [] { return true; };
  EXPECT_EQ(evaluate_problems(options(), problems, stop).error().code, ErrorCode::cancelled);
  EvalOptions bare = options();
  bare.model = SAMBAY_TEST_DATA "/golden/a_f32";
  EXPECT_THAT(evaluate_problems(bare, problems, {}).error().message, HasSubstr("no tokenizer"));
}

TEST(FormatScores, ShowsFamiliesSumAndFailures) {
  const ProblemSet set = few_problems();
  EvalReport report;
  report.model = "m";
  report.problems_seed = 7;
  report.families = {{"add", 2000, 2000, 1999, 1999, 40000, 1.5}, {"mul", 3, 1, 2, 1, 30, 0.5}};
  report.failures = {{&set.problems[1], "3*4=13", "13", false, "line 1: '3*4=13' is not true", ""}};
  EXPECT_EQ(format_scores(report),
            "family   problems   answer     work     both  tokens/answer  seconds\n"
            "add          2000  100.0 %   99.9 %   99.9 %           20.0      1.5\n"
            "mul             3   33.3 %   66.7 %   33.3 %           10.0      0.5\n"
            "all          2003   99.9 %   99.9 %   99.9 %           20.0      2.0\n");
  EXPECT_THAT(format_failures(report),
              AllOf(HasSubstr("mul:3*4 (wrong answer)"), HasSubstr("expected: 12"), HasSubstr("came: 13")));
  const auto json = nlohmann::json::parse(scores_json(report, true), nullptr, false);
  EXPECT_EQ(json["problems_seed"], 7);
  EXPECT_EQ(json["families"]["mul"]["problems"], 3);
  EXPECT_EQ(json["families"]["add"]["both"], 1999.0 / 2000);
  EXPECT_EQ(json["total"]["problems"], 2003);
  EXPECT_EQ(json["failures"][0]["key"], "mul:3*4");
  EXPECT_FALSE(nlohmann::json::parse(scores_json(report, false), nullptr, false).contains("failures"));
}

}  // namespace
}  // namespace sambay
