// What a load asks: made-up prompts of a wanted length, or those of a file.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sambay/error.h"

namespace sambay {

enum class LoadApi { chat, completions };

/// One line of a file of prompts.
struct FilePrompt {
  LoadApi api = LoadApi::chat;
  std::string json;     ///< the value of "messages" or of "prompt"
  int max_tokens = -1;  ///< -1: as for the others
};

/// JSON Lines, each {"messages": [...]} or {"prompt": "text" or [ids]}, with "max_tokens" if wanted; other
/// members are ignored, empty lines skipped. At most 64 MiB and 100,000 lines. Errors: corrupt, with the
/// line.
Result<std::vector<FilePrompt>> parse_prompts(std::string_view text, std::string_view name);
/// The same of a file. Errors: those of opening it, too.
Result<std::vector<FilePrompt>> read_prompts(const std::string& path);

struct PromptOptions {
  LoadApi api = LoadApi::chat;
  std::string model;
  int prompt_tokens = 256;  ///< of the first turn, shared ones included
  int shared_tokens = 0;    ///< of those, the same in every prompt: the system message of a chat
  int turn_tokens = 64;     ///< that each later turn adds
  int max_tokens = 128;     ///< of an answer
  int token_ids = 0;        ///< > 0: prompts are ids below this (completions only) instead of words
  bool ignore_eos = true;   ///< answers go on to max_tokens
  std::optional<double> temperature;
  uint64_t seed = 1;
  std::vector<FilePrompt> file;  ///< instead, in turn, from the first one on
};

/// How many tokens words are for this server, to be measured.
struct WordCost {
  double tokens_per_word = 1.3, tokens_around = 0;
  /// From the prompts' tokens that the server counted for so many words. Nothing when that makes no sense.
  static std::optional<WordCost> from(int words_a, int tokens_a, int words_b, int tokens_b);
  int words_for(int tokens) const;  ///< at least 1; `tokens` less what stands around them
};

/// Bodies of requests. The same number gives the same words, another number others from the first word on.
class PromptSource {
 public:
  explicit PromptSource(PromptOptions options) : options_(std::move(options)) {}
  void set_cost(WordCost cost) { cost_ = cost; }
  const PromptOptions& options() const { return options_; }
  bool is_words() const { return options_.token_ids == 0 && options_.file.empty(); }

  /// Turn 0 is the first. answers: what the model said to the turns before. `cold`: a conversation of the
  /// same length in words that no other one has.
  std::string body(uint64_t number, int turn, std::span<const std::string> answers, bool cold) const;
  LoadApi api(uint64_t number) const;
  /// A prompt of so many words and one token of answer, to measure the cost of words.
  std::string probe_body(int words) const;

 private:
  PromptOptions options_;
  WordCost cost_;
};

}  // namespace sambay
