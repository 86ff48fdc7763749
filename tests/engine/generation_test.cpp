#include <gtest/gtest.h>

#include <memory>
#include <thread>
#include <utility>

#include "engine/sequence.h"

namespace sambay {
namespace {

Event piece(TokenId token, std::string text, std::optional<FinishReason> finish = {}) {
  Event event;
  event.tokens = {token};
  event.text = std::move(text);
  event.finish = finish;
  event.usage.completion_tokens = token;
  return event;
}

TEST(Generation, DestroyingItCancels) {
  const auto shared = std::make_shared<Generation::Shared>();
  {
    Generation first(shared);
    const Generation second(std::move(first));
    EXPECT_FALSE(shared->cancelled);
  }
  EXPECT_TRUE(shared->cancelled);
}

TEST(Generation, AssigningOverItCancelsTheOldRequestOnly) {
  const auto old = std::make_shared<Generation::Shared>(), fresh = std::make_shared<Generation::Shared>();
  Generation generation(old);
  generation = Generation(fresh);
  EXPECT_TRUE(old->cancelled);
  EXPECT_FALSE(fresh->cancelled);
}

TEST(Generation, EventsThatNobodyReadComeTogetherAndNothingIsLost) {
  const auto shared = std::make_shared<Generation::Shared>();
  Generation generation(shared);
  shared->publish(piece(1, "a"));
  shared->publish(piece(2, "b"));
  auto event = generation.next();
  ASSERT_TRUE(event);
  EXPECT_EQ(event->tokens, (std::vector<TokenId>{1, 2}));
  EXPECT_EQ(event->text, "ab");
  EXPECT_FALSE(event->finish);
  shared->publish(piece(3, "c"));
  shared->publish(piece(4, "d", FinishReason::stop));
  event = generation.next();
  ASSERT_TRUE(event);
  EXPECT_EQ(event->text, "cd");
  EXPECT_EQ(event->finish, FinishReason::stop);
  EXPECT_EQ(event->usage.completion_tokens, 4);
  EXPECT_FALSE(generation.next());
  EXPECT_FALSE(generation.next());
}

TEST(Generation, AReaderThatWaitsIsWokenWhenTheEngineDies) {
  const auto shared = std::make_shared<Generation::Shared>();
  Generation generation(shared);
  shared->publish(piece(1, "a"));
  std::thread engine([&] { shared->fail(0, {ErrorCode::out_of_memory, "out of memory"}); });
  std::string text;
  std::optional<Event> last;
  while (auto event = generation.next()) {
    text += event->text;
    last = std::move(event);
  }
  engine.join();
  EXPECT_EQ(text, "a");
  ASSERT_TRUE(last && last->finish && last->error);
  EXPECT_EQ(*last->finish, FinishReason::failed);
  EXPECT_EQ(last->error->code, ErrorCode::out_of_memory);
}

}  // namespace
}  // namespace sambay
