// Cuts text into BPE words with the tokenizer's regular expression.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "sambay/error.h"

struct pcre2_real_code_8;
struct pcre2_real_match_data_8;
struct pcre2_real_match_context_8;
struct pcre2_real_jit_stack_8;

namespace sambay {

/// A compiled pattern (PCRE2 with UTF and UCP, just-in-time compiled where the system allows it). Immutable;
/// thread-safe.
class Pretokenizer {
 public:
  /// `pattern` is in the dialect of tokenizer.json. \s means Unicode White_Space, which PCRE2's own \s is not
  /// quite (it adds U+180E). Errors: unsupported, with PCRE2's message and the offset, for a pattern that
  /// does not compile, is longer than 64 KiB, or has back references (their cost cannot be bounded).
  static Result<Pretokenizer> compile(std::string_view pattern);

 private:
  friend class WordSplitter;
  explicit Pretokenizer(std::shared_ptr<pcre2_real_code_8> code) : code_(std::move(code)) {}
  std::shared_ptr<pcre2_real_code_8> code_;
};

/// Splits the pieces of one text. One thread at a time.
class WordSplitter {
 public:
  /// `text_bytes`: length of the whole text, which the allowed effort grows with.
  WordSplitter(const Pretokenizer& pretokenizer, size_t text_bytes);
  ~WordSplitter();
  WordSplitter(const WordSplitter&) = delete;
  WordSplitter& operator=(const WordSplitter&) = delete;

  /// The end of the word that begins at `start` < text.size(); `text` is valid UTF-8. What the pattern does
  /// not match up to its next match is one word. Errors: invalid_argument when the pattern takes more effort
  /// than is allowed: about 64 steps per byte of the text and 16 million more, seconds at most.
  Result<size_t> word_end(std::string_view text, size_t start);

 private:
  Result<size_t> match_end(std::string_view text, size_t start);

  const Pretokenizer* pretokenizer_;
  pcre2_real_match_data_8* match_data_;
  pcre2_real_match_context_8* context_;
  pcre2_real_jit_stack_8* jit_stack_;
  int64_t budget_;
  size_t gap_end_ = 0;              // a match is known to begin here
  size_t gap_match_end_ = 0;        // and to end here
  const char* gap_text_ = nullptr;  // in this text
};

}  // namespace sambay
