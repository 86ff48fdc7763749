#include "server/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>

namespace sambay::server {
namespace {

using testing::HasSubstr;

Usage usage(int prompt_tokens, int completion_tokens) {
  Usage u;
  u.prompt_tokens = prompt_tokens;
  u.completion_tokens = completion_tokens;
  return u;
}

TEST(Histogram, BucketsAreCumulativeAndEndWithEverything) {
  static constexpr std::array kBounds = {1.0, 2.0};
  Histogram h(kBounds);
  h.observe(1);
  h.observe(1.5, 2);
  h.observe(9);
  std::string out;
  h.write("x", "a=\"b\"", out);
  EXPECT_EQ(out,
            "x_bucket{a=\"b\",le=\"1\"} 1\nx_bucket{a=\"b\",le=\"2\"} 3\nx_bucket{a=\"b\",le=\"+Inf\"} 4\n"
            "x_sum{a=\"b\"} 13\nx_count{a=\"b\"} 4\n");
}

TEST(Metrics, HaveVllmsNamesWithOurPrefix) {
  Metrics metrics("m");
  metrics.observe_first_token(0.02);
  metrics.observe_tokens(1, 4);
  metrics.observe_answer({.usage = usage(10, 5)});
  metrics.count_http("/chat/completions", 200);
  Stats stats;
  stats.running = 3;
  stats.cache_lookups[static_cast<size_t>(CacheResult::evicted)] = 2;
  const std::string text = metrics.text(stats, 1);
  for (const char* line :
       {"sambay:num_requests_running{model_name=\"m\"} 3\n",
        "sambay:time_to_first_token_seconds_count{model_name=\"m\"} 1\n",
        "sambay:inter_token_latency_seconds_bucket{model_name=\"m\",le=\"0.3\"} 4\n",
        "sambay:prefix_cache_lookups_total{model_name=\"m\",result=\"evicted\"} 2\n",
        "sambay:request_success_total{model_name=\"m\",finished_reason=\"stop\"} 0\n",
        "sambay:http_requests_total{model_name=\"m\",handler=\"/chat/completions\",status=\"200\"} 1\n"})
    EXPECT_THAT(text, HasSubstr(line));
}

TEST(Metrics, PromptFiguresCountOncePerRequest) {
  Metrics metrics("m");
  for (const bool first : {true, false})
    metrics.observe_answer({.usage = usage(10, 5), .first_of_request = first});
  const std::string text = metrics.text({}, 0);
  EXPECT_THAT(text, HasSubstr("sambay:request_prompt_tokens_count{model_name=\"m\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("sambay:request_generation_tokens_count{model_name=\"m\"} 2\n"));
}

TEST(Metrics, HaveEverythingThatTheDashboardShows) {
  std::ifstream file(SAMBAY_SOURCE_DIR "/deploy/grafana-dashboard.json");
  std::stringstream dashboard;
  dashboard << file.rdbuf();
  const std::string text = dashboard.str(), metrics = Metrics("m").text({}, 0);
  const std::regex name("sambay:[a-z0-9_]+");
  std::set<std::string> names;
  for (std::sregex_iterator it(text.begin(), text.end(), name), end; it != end; ++it) names.insert(it->str());
  EXPECT_GT(names.size(), 20u);
  for (const std::string& shown : names)  // a histogram's _bucket is a line of its own
    EXPECT_THAT(metrics, testing::AnyOf(HasSubstr("\n" + shown + "{"), HasSubstr("# TYPE " + shown + " ")));
}

TEST(LabelValue, IsEscaped) { EXPECT_EQ(label_value("a\"b\\c\nd"), "a\\\"b\\\\c\\nd"); }

}  // namespace
}  // namespace sambay::server
