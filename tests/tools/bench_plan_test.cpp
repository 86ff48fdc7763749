#include "tools/bench_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tools/synthetic.h"

namespace sambay {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(ParseCounts, TakesOneNumberOrAListInItsOrder) {
  EXPECT_THAT(*parse_counts("-p", "512", 0, 1000), ElementsAre(512));
  EXPECT_THAT(*parse_counts("-p", "8,0,8,1000", 0, 1000), ElementsAre(8, 0, 8, 1000));
}

TEST(ParseCounts, SaysWhichEntryIsWrongAndWhatWouldBeRight) {
  for (const char* text :
       {"", "x", "1,,2", "1,", ",1", "1 ", "+1", "1.5", "0x10", "-1", "1001", "99999999999999999999"}) {
    const auto counts = parse_counts("-p", text, 0, 1000);
    ASSERT_FALSE(counts) << text;
    EXPECT_EQ(counts.error().code, ErrorCode::invalid_argument);
    EXPECT_THAT(counts.error().message, HasSubstr("-p " + std::string(text)));
    EXPECT_THAT(counts.error().message, HasSubstr("from 0 to 1000"));
  }
  std::string many = "1";
  for (int i = 0; i < 64; i++) many += ",1";
  EXPECT_THAT(parse_counts("-p", many, 0, 1000).error().message, HasSubstr("65 entries"));
}

TEST(ParseKvTypes, KnowsTheTypesOfCachesOnly) {
  EXPECT_THAT(*parse_kv_types("--kv", "q8_0,f16"), ElementsAre(DType::q8_0, DType::f16));
  EXPECT_THAT(parse_kv_types("--kv", "f16,q4_0").error().message, HasSubstr("'q4_0'"));
  EXPECT_FALSE(parse_kv_types("--kv", "f16,"));
}

TEST(ParseLongRun, TakesTwoPositiveNumbers) {
  EXPECT_EQ(parse_long_run("2048:32768")->generate, 32768);
  for (const char* text : {"", ":", "1:", ":1", "0:1", "1:0", "1:2:3", "a:b", "1-2"})
    EXPECT_THAT(parse_long_run(text).error().message, HasSubstr("2048:32768")) << text;
}

TEST(BenchCases, AreEveryCombinationPrefillFirst) {
  BenchOptions o;
  o.prompts = {8, 0, 16}, o.depths = {0, 100}, o.batches = {1, 4}, o.generate = {2};
  std::vector<std::string> cases;
  for (const BenchCase& c : bench_cases(o))
    cases.push_back((c.test == BenchTest::prefill ? "p" : "d") + std::to_string(c.tokens) + "@" +
                    std::to_string(c.depth) + "x" + std::to_string(c.batch));
  EXPECT_THAT(cases, ElementsAre("p8@0x1", "p16@0x1", "p8@100x1", "p16@100x1", "d2@0x1", "d2@0x4", "d2@100x1",
                                 "d2@100x4"));
}

TEST(BenchCases, OfALongRunBeginAfterThePromptAndReachItsEnd) {
  BenchOptions o;
  o.long_run = LongRun{2048, 32768, 16};
  const std::vector<BenchCase> cases = bench_cases(o);
  EXPECT_EQ(cases.front().test, BenchTest::prefill);
  EXPECT_EQ(cases.front().tokens, 2048);
  EXPECT_EQ(cases[1].depth, 2048);
  EXPECT_EQ(cases.back().depth + cases.back().tokens, 2048 + 32768);
  for (size_t i = 1; i < cases.size(); i++) {
    EXPECT_EQ(cases[i].batch, 16);
    EXPECT_EQ(cases[i].room, 2048 + 32768);
    EXPECT_TRUE(i == 1 || cases[i].depth > cases[i - 1].depth);
  }
  for (const int generate : {1, 2, 4, 5, 6, 9}) {  // fewer than there would be samples
    o.long_run->generate = generate;
    for (const BenchCase& c : bench_cases(o)) EXPECT_LE(c.depth + c.tokens, 2048 + generate) << generate;
    EXPECT_GE(bench_cases(o).size(), 2u);
  }
}

class PlanBench : public ::testing::Test {
 protected:
  const ModelFootprint shapes_ = SyntheticLayout(*sambay_preset("small"), DType::q8_0).footprint;
  BenchOptions o_;
};

TEST_F(PlanBench, RefusesWhatIsBeyondTheContext) {
  o_.depths = {0, 262144};
  EXPECT_THAT(plan_bench(o_, shapes_, 0).error().message, HasSubstr("-p 512 at -d 262144"));
  o_.prompts = {0};
  EXPECT_THAT(plan_bench(o_, shapes_, 0).error().message, HasSubstr("-n 64 at -d 262144"));
  o_.depths = {262144 - 64};
  EXPECT_TRUE(plan_bench(o_, shapes_, 0));
}

TEST_F(PlanBench, IsTheLargestOfAllCasesAndHoldsTheRestAgainstTheLimitToo) {
  o_.depths = {0, 4096}, o_.batches = {1, 8}, o_.kvs = {DType::q8_0, DType::f16};
  const int64_t needs = plan_bench(o_, shapes_, 0)->total();
  const BenchCase largest = bench_cases(o_).back();
  EXPECT_EQ(needs, plan_memory(shapes_, largest.memory(DType::f16, o_.chunk, 0)).total());
  o_.memory_limit = needs + 1000;
  EXPECT_TRUE(plan_bench(o_, shapes_, 1000));
  const auto refused = plan_bench(o_, shapes_, 1001);
  EXPECT_EQ(refused.error().code, ErrorCode::out_of_memory);
  EXPECT_THAT(refused.error().message, HasSubstr("--batch 7"));
}

TEST(CheckBenchOptions, FindsWhatCannotBe) {
  const auto refusal = [](auto&& change) {
    BenchOptions o;
    change(o);
    const auto checked = check_bench_options(o);
    return checked ? std::string() : checked.error().message;
  };
  EXPECT_EQ(refusal([](BenchOptions&) {}), "");
  EXPECT_THAT(refusal([](BenchOptions& o) { o.prompts = o.generate = {0}; }),
              HasSubstr("nothing to measure"));
  EXPECT_THAT(refusal([](BenchOptions& o) { o.batches = {0}; }), HasSubstr("--batch 0"));
  EXPECT_THAT(refusal([](BenchOptions& o) { o.threads = {2, 1025}; }), HasSubstr("-t 1025"));
  EXPECT_THAT(refusal([](BenchOptions& o) { o.repetitions = 0; }), HasSubstr("-r 0"));
  EXPECT_THAT(refusal([](BenchOptions& o) {
                o.prompts = o.depths = std::vector<int>(64, 1);
                o.kvs.resize(3);
              }),
              HasSubstr("combinations"));
  EXPECT_THAT(refusal([](BenchOptions& o) { o.long_run = LongRun{1, 1, 0}; }), HasSubstr("--concurrency 0"));
}

}  // namespace
}  // namespace sambay
