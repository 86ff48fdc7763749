#include "tools/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace sambay {
namespace {

using ::testing::HasSubstr;

PlanOptions synthetic(const char* name = "phi4-mini-flash") {
  PlanOptions options;
  options.synthetic = name;
  options.threads = 2;
  return options;
}

TEST(MakePlan, OfTheRealShapesIsWithinWhatTheModelPageSays) {
  const PlanReport report = *make_plan(synthetic());
  EXPECT_EQ(report.context, 65536);
  // 3.34 G parameters of matrices at 34 bytes for 32, and the 0.51 G of the embedding.
  EXPECT_NEAR(static_cast<double>(report.plan.bytes_of("weights")), 3.34e9 * 34 / 32, 0.02e9);
  EXPECT_EQ(report.plan.bytes_of("embedding"), int64_t{200064} * 2560 / 32 * 34);
  EXPECT_EQ(report.plan.bytes_of("kv_shared"), int64_t{5} * 1024 * 65536);
  EXPECT_EQ(report.contexts.size(), 3u * 6);
}

TEST(MakePlan, WithALimitSaysWhatFits) {
  PlanOptions options = synthetic("small");
  options.memory_limit = int64_t{300} << 20;
  const PlanReport report = *make_plan(options);
  ASSERT_EQ(report.longest.size(), 3u);
  for (const auto& fit : report.longest) {
    EXPECT_GT(fit.context, 0);
    EXPECT_LE(fit.bytes, options.memory_limit);
  }
  EXPECT_LT(report.longest[0].context, report.longest[1].context) << "f32 needs more than f16";
  EXPECT_LT(report.longest[1].context, report.longest[2].context);
  options.memory_limit = 1000;
  EXPECT_EQ(make_plan(options)->longest[2].context, 0);
  EXPECT_THAT(format_plan(*make_plan(options)), HasSubstr("q8_0 none"));
}

TEST(MakePlan, KnowsATotalContextAndAPrefixCache) {
  PlanOptions options = synthetic("small");
  options.parallel = 8, options.context = 4096;
  const int64_t full = make_plan(options)->plan.total();
  options.total_context = 4096;
  const int64_t least = make_plan(options)->plan.total();
  EXPECT_LT(least, full);
  options.total_context = -1;
  EXPECT_EQ(make_plan(options)->plan.total(), full) << "without a limit";
  options.memory_limit = (least + full) / 2;
  const PlanReport fitting = *make_plan(options);
  EXPECT_GT(fitting.total_context, 4096);
  EXPECT_LT(fitting.total_context, 8 * 4096);
  EXPECT_LE(fitting.plan.total(), options.memory_limit);
  options.total_context = fitting.total_context + 1;
  EXPECT_GT(make_plan(options)->plan.total(), options.memory_limit) << "no token more";

  options.prefix_cache_bytes = int64_t{64} << 20;
  const PlanReport cached = *make_plan(options);
  EXPECT_LE(cached.plan.bytes_of("prefix_cache"), options.prefix_cache_bytes);
  EXPECT_GT(cached.plan.bytes_of("prefix_cache"), options.prefix_cache_bytes * 3 / 4);
  EXPECT_EQ(nlohmann::json::parse(plan_json(cached))["total_context"], fitting.total_context + 1);
}

TEST(MakePlan, JsonAddsUp) {
  PlanOptions options = synthetic("small");
  options.memory_limit = int64_t{1} << 40;
  const PlanReport report = *make_plan(options);
  const auto json = nlohmann::json::parse(plan_json(report));
  int64_t sum = 0;
  for (const auto& component : json["components"]) sum += component["bytes"].get<int64_t>();
  EXPECT_EQ(sum, json["total_bytes"]);
  EXPECT_EQ(json["fits"], true);
  EXPECT_EQ(json["longest_contexts"][1]["context"], 262144);
  EXPECT_THAT(format_plan(report), HasSubstr("KV of the shared layer"));
}

TEST(MakePlan, RefusesWhatCannotBe) {
  const auto refuses = [](PlanOptions options, const char* part) {
    const auto report = make_plan(options);
    ASSERT_FALSE(report) << part;
    EXPECT_EQ(report.error().code, ErrorCode::invalid_argument);
    EXPECT_THAT(report.error().message, HasSubstr(part));
  };
  PlanOptions options = synthetic();
  options.context = 1 << 20;
  refuses(options, "-c 1048576: this model's context is 2 to 262144");
  options.context = -1;
  refuses(options, "-c -1");
  options = synthetic();
  options.parallel = 0;
  refuses(options, "--parallel 0: must be 1 to 4096");
  options = synthetic();
  options.prefix_cache_bytes = 1000;
  refuses(options, "--prefix-cache: 1000 bytes are too few for one state: at least ");
  options = synthetic("phi-5");
  refuses(options, "phi-5");
}

}  // namespace
}  // namespace sambay
