#include "loadgen/load_record.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

namespace sambay {
namespace {

LoadRecord record(double ended_s, std::string fault = "") {
  LoadRecord r;
  AnswerClock clock(r);
  clock.output(100);
  clock.output(110);
  clock.output(130);
  clock.usage({40, 30, 4});
  r.whole_ms = 140;
  r.ended_s = ended_s;
  r.fault = std::move(fault);
  return r;
}

TEST(AnswerClock, CountsChunksUntilTheServerCountsTokens) {
  LoadRecord r;
  AnswerClock clock(r);
  clock.output(5);
  clock.output(7);
  EXPECT_EQ(r.completion_tokens, 2);
  EXPECT_EQ(r.first_ms, 5);
  EXPECT_EQ(r.gaps_ms, std::vector<float>{2});
  clock.usage({9, 0, 12});
  EXPECT_EQ(r.completion_tokens, 12);
}

TEST(Summarize, RatesAreOfGoodRequestsOverTheTimeToTheLastAnswer) {
  const std::vector<LoadRecord> records = {record(1), record(2, "429"), record(4), record(3, "429"),
                                           record(2, "timeout")};
  const auto rows = summarize({2, 0}, records, 2);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].requests, 5u);
  EXPECT_EQ(rows[0].good, 2u);
  EXPECT_EQ(rows[0].errors, (std::map<std::string, size_t>{{"429", 2}, {"timeout", 1}}));
  EXPECT_EQ(rows[0].seconds, 4);
  EXPECT_EQ(rows[0].requests_per_s, 0.5);
  EXPECT_EQ(rows[0].output_tokens_per_s, 2);
  EXPECT_EQ(rows[0].prompt_tokens_per_s, 20);
  EXPECT_EQ(rows[0].cached_tokens, 30);
  EXPECT_EQ(rows[0].first_token_ms.count, 2u);
  EXPECT_EQ(rows[0].between_tokens_ms.count, 4u);
  EXPECT_EQ(rows[0].between_tokens_ms.max, 20);
}

TEST(Summarize, HasARowForEachTurnAndOneForTheColdOnes) {
  std::vector<LoadRecord> records = {record(1), record(2), record(3), record(4)};
  records[1].turn = 2;
  records[2].turn = 2, records[2].is_cold = true;
  const auto rows = summarize({1, 0}, records, 1);
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_TRUE(rows[0].turn == 1 && rows[1].turn == 2 && !rows[1].is_cold && rows[2].is_cold);
  EXPECT_EQ(rows[0].requests, 2u);
}

TEST(LoadReport, CsvHasAsManyFieldsAsItsHeadAndJsonTheSameNumbers) {
  const LoadSubject subject{"http://h", "a model, \"quoted\""};
  for (const std::vector<LoadRecord>& records :
       {std::vector{record(1), record(2, "429")}, std::vector{record(2, "closed")}}) {
    const LoadRow row = summarize({0, 2.5}, records, 2).front();
    const auto fields = [](const std::string& line) {
      size_t count = 1;
      bool quoted = false;
      for (const char c : line) {
        quoted ^= c == '"';
        count += c == ',' && !quoted;
      }
      return count;
    };
    EXPECT_EQ(fields(load_csv_head()), fields(load_csv_row(subject, row)));
    const auto json = nlohmann::json::parse(load_json_row(subject, row));
    EXPECT_EQ(json["rate"], 2.5);
    EXPECT_TRUE(json["concurrency"].is_null());
    EXPECT_EQ(json["good"], row.good);
    EXPECT_EQ(json["first_token_ms"].is_null(), row.good == 0);
    EXPECT_NE(load_table_row(row).find("rate 2.5/s"), std::string::npos);
  }
}

}  // namespace
}  // namespace sambay
