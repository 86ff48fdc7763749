#include "loadgen/sse_parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sambay {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> parse(std::string_view stream, size_t piece, int* comments = nullptr) {
  SseParser parser;
  std::vector<std::string> events;
  for (size_t at = 0; at < stream.size(); at += piece)
    EXPECT_TRUE(
        parser.push(stream.substr(at, piece), [&](std::string_view data) { events.emplace_back(data); }));
  if (comments) *comments = parser.comment_count();
  return events;
}

TEST(SseParser, FindsTheSameEventsInPiecesOfAnySize) {
  const std::string stream =
      ": hello\n\ndata: {\"a\": 1}\n\ndata:two\r\n\r\ndata: x\rdata: y\r\rid: 7\nevent: e\ndata: z\n\n: "
      "bye\n\n";
  for (size_t piece = 1; piece <= stream.size(); piece++) {
    int comments = 0;
    EXPECT_THAT(parse(stream, piece, &comments), ElementsAre("{\"a\": 1}", "two", "x\ny", "z")) << piece;
    EXPECT_EQ(comments, 2) << piece;
  }
}

TEST(SseParser, GivesNoEventBeforeItsEmptyLine) { EXPECT_THAT(parse("data: a\n", 100), IsEmpty()); }

TEST(SseParser, GivesNoEventWithoutData) {
  EXPECT_THAT(parse("event: ping\n\nretry: 3\n\n\n\n", 100), IsEmpty());
}

TEST(SseParser, TakesDataWithoutColonOrValueAsEmpty) {
  EXPECT_THAT(parse("data\n\ndata:\n\ndata: \n\ndatax: 1\n\n", 3), ElementsAre("", "", ""));
}

TEST(SseParser, DropsOneSpaceOnly) { EXPECT_THAT(parse("data:  a\n\n", 100), ElementsAre(" a")); }

TEST(SseParser, RefusesAnEventWithoutEnd) {
  SseParser parser;
  const std::string mib(1 << 20, 'a');
  Result<void> pushed = parser.push("data: ", {});
  for (size_t i = 0; i <= SseParser::kMaxEventBytes / mib.size() && pushed; i++)
    pushed = parser.push(mib, {});
  ASSERT_FALSE(pushed);
  EXPECT_EQ(pushed.error().code, ErrorCode::corrupt);
}

TEST(SseParser, RefusesAnEventOfEndlesslyManyLines) {
  SseParser parser;
  const std::string line = "data: " + std::string(1 << 20, 'a') + "\n";
  Result<void> pushed;
  for (size_t i = 0; i <= SseParser::kMaxEventBytes / (1 << 20) && pushed; i++)
    pushed = parser.push(line, {});
  EXPECT_FALSE(pushed);
}

}  // namespace
}  // namespace sambay
