#include "tools/bench_plot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tools/bench.h"

namespace sambay {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::SizeIs;

BenchModel model(const std::string& name = "m") { return {name, "q4_0", "avx2", "vpmaddubsw", 1000, 0.5, 0}; }

BenchResult result(const std::string& test, int prompt, int depth, int batch, double rate) {
  BenchResult r;
  r.test = test;
  r.threads = 2, r.prompt = prompt, r.depth = depth, r.batch = batch, r.tokens = 10;
  r.tokens_per_s = {rate, rate, rate};
  if (test != "decode") r.ttft_ms = 500;
  r.bytes_per_token = 100, r.multiply_adds_per_token = test == "prefill" ? 100'000 : 200;
  r.ceilings = {30e9, 600e9, 100e9};
  return r;
}

std::string csv(const std::vector<BenchResult>& results, const std::string& name = "m") {
  std::string text = bench_csv_head();
  for (const BenchResult& r : results) text += bench_csv_row(model(name), r);
  return text;
}

std::vector<BenchRow> rows(const std::vector<BenchResult>& results) {
  return *parse_bench_csv(csv(results), "test");
}

TEST(BenchCsv, ReadsWhatBenchWrites) {
  const std::string odd_name = "a, \"b\"\nc";
  const auto read = *parse_bench_csv(
      csv({result("prefill", 512, 64, 1, 123.25), result("decode", 0, 0, 4, 7)}, odd_name), "t");
  ASSERT_THAT(read, SizeIs(2));
  EXPECT_EQ(read[0].model, odd_name);
  EXPECT_EQ(read[0].test, "prefill");
  EXPECT_EQ(read[0].prompt, 512);
  EXPECT_EQ(read[0].depth, 64);
  EXPECT_EQ(read[0].tokens_per_s, 123.25);
  EXPECT_EQ(read[0].ttft_ms, 500);
  EXPECT_EQ(read[1].batch, 4);
  EXPECT_EQ(read[1].kv, "f16");
  EXPECT_FALSE(read[1].ttft_ms);
  EXPECT_EQ(read[1].int8_per_s, 600e9);
}

TEST(BenchCsv, TakesFilesPutTogetherAndColumnsInAnyOrder) {
  const std::string one = csv({result("decode", 0, 0, 1, 7)});
  EXPECT_THAT(*parse_bench_csv(one + one, "t"), SizeIs(2));
  EXPECT_THAT(*parse_bench_csv(one + "\n\r\n", "t"), SizeIs(1));
  std::string turned;  // the last column first
  for (size_t at = 0; at < one.size();) {
    const size_t end = one.find('\n', at), comma = one.rfind(',', end);
    turned += one.substr(comma + 1, end - comma - 1) + "," + one.substr(at, comma - at) + "\n";
    at = end + 1;
  }
  EXPECT_EQ(parse_bench_csv(turned, "t")->at(0).tokens_per_s, 7);
}

TEST(BenchCsv, SaysWhereItIsBroken) {
  const std::string good = csv({result("decode", 0, 0, 1, 7)});
  const auto message = [](const std::string& text) {
    const auto read = parse_bench_csv(text, "x.csv");
    return read ? std::string("fine") : read.error().message;
  };
  EXPECT_THAT(message(""), HasSubstr("no column 'model'"));
  EXPECT_THAT(message("a,b\n1,2\n"), HasSubstr("x.csv: line 1"));
  EXPECT_THAT(message(good + "1,2\n"), HasSubstr("line 3: 2 fields"));
  EXPECT_THAT(message(good + "\"open"), HasSubstr("not closed"));
  for (const auto& [from, to] : {std::pair{",decode,0,", ",decode,-1,"},
                                 {",7.0000,7.", ",inf,7."},
                                 {",7.0000,7.", ",0,7."},
                                 {",7.0000,7.", ",nan,7."},
                                 {",7.0000,7.", ",x,7."}}) {
    std::string bad = good;
    ASSERT_NE(bad.find(from), std::string::npos) << from;
    bad.replace(bad.find(from), std::string(from).size(), to);
    EXPECT_THAT(message(bad), HasSubstr("line 2: column ")) << to;
  }
}

TEST(PlotBench, DrawsDecodingAgainstDepthOneLineForEachSetting) {
  const Chart chart = *plot_bench(rows({result("decode", 0, 4096, 1, 5), result("decode", 0, 0, 1, 10),
                                        result("decode", 0, 0, 8, 40), result("prefill", 512, 0, 1, 99)}),
                                  PlotKind::depth, "t");
  ASSERT_THAT(chart.series, SizeIs(2));
  EXPECT_EQ(chart.series[0].name, "batch 1");
  EXPECT_THAT(chart.series[0].points, ElementsAre(Pair(0, 10), Pair(4096, 5)));
  EXPECT_THAT(chart.subtitle, HasSubstr("q4_0, f16 KV, avx2, 2 threads"));
  const Chart prefill = *plot_bench(rows({result("prefill", 512, 0, 1, 99)}), PlotKind::depth, "t");
  EXPECT_THAT(prefill.series[0].points, ElementsAre(Pair(0, 99)));
}

TEST(PlotBench, AddsUpLatencyFromThePromptOn) {
  // Two sequences, a step of 0.5 s throughout; 500 ms until the first tokens.
  const Chart chart =
      *plot_bench(rows({result("prefill", 100, 0, 1, 99), result("decode", 100, 100, 2, 4),
                        result("decode", 100, 190, 2, 4), result("long-sampled", 100, 200, 2, 3)}),
                  PlotKind::latency, "t");
  ASSERT_THAT(chart.series, SizeIs(1));
  // The long result ends after its own `tokens`, 10; samples lie in the middle of theirs.
  EXPECT_THAT(chart.series[0].points, ElementsAre(Pair(0, 0.5), Pair(5, 0.5 + 2.5), Pair(95, 0.5 + 47.5)));
  EXPECT_THAT(plot_bench(rows({result("decode", 0, 5, 1, 4)}), PlotKind::latency, "t").error().message,
              HasSubstr("two depths"));
}

TEST(PlotBench, RooflineHasItsCeilingAndAMarkForEachResult) {
  const Chart chart = *plot_bench(rows({result("prefill", 512, 0, 1, 1000), result("decode", 0, 0, 1, 50)}),
                                  PlotKind::roofline, "t");
  ASSERT_THAT(chart.series, SizeIs(3));
  EXPECT_TRUE(chart.series[0].is_limit);
  EXPECT_THAT(chart.series[0].points, SizeIs(3));
  EXPECT_THAT(chart.series[0].points[1], Pair(20, 600));  // the ridge: 600 G over 30 G
  EXPECT_THAT(chart.series[1].points, ElementsAre(Pair(1000, 1000 * 100'000 / 1e9)));
  EXPECT_THAT(chart.series[2].points, ElementsAre(Pair(2, 50 * 200 / 1e9)));
}

TEST(PlotBench, RefusesWhatNobodyCouldRead) {
  std::vector<BenchResult> many;
  for (int b = 1; b <= 25; b++) many.push_back(result("decode", 0, 0, b, 5));
  EXPECT_THAT(plot_bench(rows(many), PlotKind::depth, "t").error().message, HasSubstr("25 series"));
  EXPECT_FALSE(plot_bench({}, PlotKind::roofline, "t"));
  EXPECT_THAT(plot_kind("pie").error().message, HasSubstr("roofline"));
}

}  // namespace
}  // namespace sambay
