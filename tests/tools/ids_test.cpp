#include "tools/ids.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sambay {
namespace {

using Ids = std::vector<TokenId>;

void expect_error(std::string_view text, ErrorCode code, std::string_view part) {
  const auto ids = parse_ids(text, 100, "f");
  ASSERT_FALSE(ids) << text;
  EXPECT_EQ(ids.error().code, code) << ids.error().message;
  EXPECT_NE(ids.error().message.find(part), std::string::npos) << ids.error().message;
  EXPECT_EQ(ids.error().message.find('\n'), std::string::npos);
}

TEST(ParseIds, ReadsAJsonArray) {
  EXPECT_EQ(*parse_ids("[1, 2,\n 99]", 100, "f"), (Ids{1, 2, 99}));
  EXPECT_EQ(*parse_ids(" \r\n[0]\n", 100, "f"), (Ids{0}));
}

TEST(ParseIds, ReadsOneIdPerLine) {
  EXPECT_EQ(*parse_ids("1\n2\r\n\n  99 \n", 100, "f"), (Ids{1, 2, 99}));
  EXPECT_EQ(*parse_ids("7", 100, "f"), (Ids{7}));
}

TEST(ParseIds, RefusesIdsOutsideOfTheVocabulary) {
  expect_error("[1, 100]", ErrorCode::invalid_argument, "element 1: id 100");
  expect_error("1\n100\n", ErrorCode::invalid_argument, "line 2: id 100");
  expect_error("-1", ErrorCode::invalid_argument, "id -1");
  expect_error("[-1]", ErrorCode::invalid_argument, "id -1");
  expect_error("99999999999999999999999", ErrorCode::invalid_argument, "line 1");
  expect_error("[18446744073709551615]", ErrorCode::invalid_argument, "element 0");
  expect_error("[99999999999999999999999]", ErrorCode::invalid_argument, "element 0");
}

TEST(ParseIds, RefusesWhatIsNeitherForm) {
  expect_error("", ErrorCode::corrupt, "no token ids");
  expect_error("[]", ErrorCode::corrupt, "no token ids");
  expect_error("[1, 2", ErrorCode::corrupt, "byte");
  expect_error("[1] x", ErrorCode::corrupt, "byte");
  expect_error("[1, \"2\"]", ErrorCode::corrupt, "element 1: expected a token id, found a string");
  expect_error("[1, 2.5]", ErrorCode::corrupt, "2.5");
  expect_error("[[1]]", ErrorCode::corrupt, "an array");
  expect_error("[{}]", ErrorCode::corrupt, "an object");
  expect_error("1 2", ErrorCode::corrupt, "line 1: expected one token id, found '1 2'");
  expect_error("1\nzwei\n", ErrorCode::corrupt, "line 2");
  expect_error(std::string(100000, '['), ErrorCode::corrupt, "an array");
}

TEST(ReadIds, SaysWhichFileIsMissing) {
  const auto ids = read_ids(::testing::TempDir() + "no-such-ids.json", 10);
  ASSERT_FALSE(ids);
  EXPECT_EQ(ids.error().code, ErrorCode::not_found);
  EXPECT_NE(ids.error().message.find("no-such-ids.json"), std::string::npos);
}

}  // namespace
}  // namespace sambay
