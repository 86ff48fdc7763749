#include "text/tokenizer_difference.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sambay {
namespace {

using ::testing::HasSubstr;

TokenizerData small() {
  TokenizerData data;
  data.tokens = {"a", "b", "ab", "<x>"};
  data.merges = {{0, 1, 2}};
  data.added = {{3, "<x>", false, false, true}};
  data.pattern = "\\w+";
  return data;
}

TEST(TokenizerDifference, OfEqualOnesIsNothing) {
  TokenizerData other = small();
  EXPECT_EQ(tokenizer_difference(small(), other), "");
  other.tokens.resize(10);  // padding rows
  other.stop_ids = {3};
  other.chat_template = "x";
  EXPECT_EQ(tokenizer_difference(small(), other), "");
}

TEST(TokenizerDifference, NamesTheFirst) {
  const auto difference = [](auto&& change) {
    TokenizerData other = small();
    change(other);
    return tokenizer_difference(small(), other);
  };
  EXPECT_EQ(difference([](auto& d) { d.tokens[1] = "c", d.merges.clear(); }),
            "token 1 is \"b\" here and \"c\" there");
  EXPECT_EQ(difference([](auto& d) { d.tokens.push_back("d"); }), "token 4 is missing here and \"d\" there");
  EXPECT_EQ(difference([](auto& d) { d.merges.clear(); }), "1 merges here and 0 there");
  EXPECT_EQ(difference([](auto& d) { d.merges[0].left = 1; }),
            "merge 0 is 0 + 1 = 2 here and 1 + 1 = 2 there");
  EXPECT_THAT(difference([](auto& d) { d.added.clear(); }), HasSubstr("is an added token here only"));
  EXPECT_THAT(difference([](auto& d) { d.added[0].rstrip = true; }), HasSubstr("other flags"));
  EXPECT_THAT(difference([](auto& d) { d.pattern = "\\d+"; }), HasSubstr("words are split by"));
  EXPECT_THAT(difference([](auto& d) { d.ignore_merges = true; }), HasSubstr("without merges"));
}

}  // namespace
}  // namespace sambay
