#include <gtest/gtest.h>

#include <string>

#include "sambay/text.h"

namespace sambay {
namespace {

/// Pieces glued together, reasoning in [].
struct Sink {
  std::string text;
  bool open = false;
  void take(const std::vector<ReasoningSplitter::Piece>& pieces) {
    for (const auto& piece : pieces) {
      EXPECT_FALSE(piece.text.empty());
      if (piece.reasoning != open) text += piece.reasoning ? '[' : ']';
      open = piece.reasoning;
      text += piece.text;
    }
  }
};

std::string split(std::initializer_list<std::string_view> parts) {
  ReasoningSplitter splitter;
  Sink sink;
  for (std::string_view part : parts) sink.take(splitter.push(part));
  sink.take(splitter.finish());
  return sink.text;
}

TEST(ReasoningSplitter, SeparatesThinkingFromAnswer) {
  EXPECT_EQ(split({"<think>abc</think>def"}), "[abc]def");
  EXPECT_EQ(split({"x<think>abc</think>def"}), "x[abc]def");
  EXPECT_EQ(split({"no tags < here <thin"}), "no tags < here <thin");
  EXPECT_EQ(split({""}), "");
}

TEST(ReasoningSplitter, DoesNotDependOnHowTheTextIsCut) {
  const std::string_view text = "a<b<<think>c</<think>d</think></think>e<think>f";
  const std::string whole = split({text});
  EXPECT_EQ(whole, "a<b<[c</<think>d]</think>e<think>f");
  for (size_t i = 0; i <= text.size(); i++)
    for (size_t j = i; j <= text.size(); j++)
      ASSERT_EQ(split({text.substr(0, i), text.substr(i, j - i), text.substr(j)}), whole) << i << ' ' << j;
}

TEST(ReasoningSplitter, OnlyTheFirstSectionCounts) {
  EXPECT_EQ(split({"</think>a<think>b</think>c<think>d</think>"}), "</think>a[b]c<think>d</think>");
}

TEST(ReasoningSplitter, ASectionThatIsNeverClosedReachesToTheEnd) {
  EXPECT_EQ(split({"<think>ab</thin"}), "[ab</thin");
}

TEST(ReasoningSplitter, GivesTextAsSoonAsItIsCertain) {
  ReasoningSplitter splitter;
  EXPECT_TRUE(splitter.push("<thi").empty());
  EXPECT_FALSE(splitter.in_reasoning());
  const auto pieces = splitter.push("s is");
  ASSERT_EQ(pieces.size(), 1u);
  EXPECT_EQ(pieces[0].text, "<this is");
  EXPECT_TRUE(splitter.push("<think>").empty());
  EXPECT_TRUE(splitter.in_reasoning());
  EXPECT_EQ(splitter.push("x").at(0).text, "x");
  EXPECT_EQ(splitter.push("</think>y<").at(0).text, "y<");  // nothing is held back behind the section
}

}  // namespace
}  // namespace sambay
