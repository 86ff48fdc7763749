// Text in and out: tokenizer, incremental decoding, chat template, separating reasoning from answer.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sambay/error.h"

namespace sambay {

using TokenId = int32_t;

/// Byte-level BPE. Immutable and thread-safe.
class Tokenizer {
 public:
  /// MODEL (Hugging Face folder, .safetensors beside tokenizer.json, GGUF) or a tokenizer.json.
  /// "" opens the model embedded in the program, if there is one (embedded_model.h).
  static Result<std::unique_ptr<Tokenizer>> open(const std::string& path);
  ~Tokenizer();

  /// Any bytes, up to 1 GiB. Added tokens written in the text are plain text unless `parse_special`; then
  /// white space beside a token with lstrip or rstrip belongs to it. Bytes that are not UTF-8 become one byte
  /// token each, and words do not reach across them. Time is linear in the length, n log n within one word.
  /// Errors: invalid_argument when the text is too long, the pattern gives up (too much backtracking), or the
  /// vocabulary lacks a byte, naming the offset.
  Result<std::vector<TokenId>> encode(std::string_view text, bool parse_special = false) const;

  /// The bytes of one token: added tokens as written; "" for an id that has no token (padding rows). Any id.
  std::string_view bytes(TokenId id) const;
  /// All bytes in order, not checked to be UTF-8.
  std::string decode(std::span<const TokenId> ids) const;

  /// Tokens in the file, padding not counted: one more than the highest id.
  int size() const;
  /// Rows of the model's vocabulary, padding counted: ids from 0 to below this may occur. size() for a bare
  /// tokenizer.json.
  int vocab() const;
  /// Control tokens (added, "special": true): never part of an answer's text.
  bool is_special(TokenId id) const;
  /// The id of an added token such as "<|end|>".
  std::optional<TokenId> added_token(std::string_view content) const;
  bool strips_right(TokenId id) const;  ///< added token with "rstrip": white space behind it belongs to it

  class Impl;
  explicit Tokenizer(std::unique_ptr<const Impl> impl);
  const Impl& impl() const { return *impl_; }

 private:
  std::unique_ptr<const Impl> impl_;
};

/// Turns tokens into text as they come, holding back bytes that may still become a character. Bytes that
/// cannot become UTF-8 any more turn into U+FFFD, one per maximal subpart (Unicode 15, section 3.9). The text
/// of a stream does not depend on how it is cut into tokens; hidden tokens leave no trace, not even between
/// the bytes of a character. One thread at a time; the tokenizer must outlive it.
class Detokenizer {
 public:
  /// hide_special: control tokens give no text.
  explicit Detokenizer(const Tokenizer& tokenizer, bool hide_special = true)
      : tokenizer_(&tokenizer), hide_special_(hide_special) {}
  /// Appends to `out` what is certain after this token.
  void push(TokenId id, std::string& out);
  /// What was held back, as U+FFFD.
  void finish(std::string& out);

 private:
  const Tokenizer* tokenizer_;
  bool hide_special_;
  std::string pending_;  // at most 3 bytes: a prefix of one character
};

struct ChatMessage {
  std::string role;  ///< "system", "user", "assistant", or "tool": what a called tool answered
  std::string content;
  /// Of a system message: the tools that may be called, as JSON text (an array), passed on as it is; "" =
  /// none.
  std::string tools = {};
};

/// Whether `text` is what a message's `tools` should be: a JSON array of objects, not empty. Errors:
/// invalid_argument, saying what is wrong and where.
Result<void> check_tools(std::string_view text);

/// How a rendered conversation ends: after its last message; with the mark that asks the model for an answer;
/// or inside of the last message, an assistant's, which the model then goes on with.
enum class ChatEnding { closed, generation_prompt, unfinished };

/// Renders a conversation as the model was trained to see it.
class ChatTemplate {
 public:
  /// Recognizes the template text of the model's file by family: "phi" (<|role|>content<|end|> for each
  /// message; tools stand as <|tool|>...<|/tool|> behind a system message's content, and what a tool answered
  /// behind <|tool_response|>) or "phi-reasoning" (the same behind a system message of its own, as
  /// Phi-4-mini-reasoning has it). `forced_family` skips recognition. Errors: unsupported, with the
  /// template's fingerprint, when no family matches; not_found when the model has no template;
  /// invalid_argument for an unknown forced family.
  static Result<ChatTemplate> recognize(std::optional<std::string_view> template_text,
                                        std::string_view forced_family = {});

  const std::string& family() const { return family_; }
  /// The text with special tokens written out, for people. Where it ends closed, the end-of-text token is
  /// written, if the model's template does so.
  std::string render(std::span<const ChatMessage> messages,
                     ChatEnding ending = ChatEnding::generation_prompt) const;
  /// The ids. Message contents are plain text: "<|end|>" typed by a user is not the token. Only what an
  /// assistant writes keeps its own marks: <think>, <|tool_call|> and what closes them are tokens in a
  /// message of that role, where the vocabulary has them. White space that follows a token with rstrip is
  /// dropped, as the reference tokenizer does. Errors: invalid_argument (unknown role, tools of another role
  /// than system, unfinished without an assistant's message at the end), unsupported (the vocabulary lacks a
  /// token that the template needs).
  Result<std::vector<TokenId>> encode(const Tokenizer& tokenizer, std::span<const ChatMessage> messages,
                                      ChatEnding ending = ChatEnding::generation_prompt) const;

 private:
  std::string family_;
  bool ends_with_eos_ = false;  // the template writes eos_token where it is not asked for a generation prompt
};

/// Splits generated text into what stands between <think> and </think> and the rest, as it streams. Tags may
/// arrive in pieces. Only the first section counts: tags behind its end are text, and so is a </think> that
/// nothing opened. A section that is never closed reaches to the end.
class ReasoningSplitter {
 public:
  struct Piece {
    bool reasoning;
    std::string text;
  };
  /// Pieces that are certain now; text that may be the start of a tag is held back.
  std::vector<Piece> push(std::string_view text);
  std::vector<Piece> finish();
  /// Inside a thinking section at the moment.
  bool in_reasoning() const { return in_reasoning_; }

 private:
  std::string pending_;
  bool in_reasoning_ = false;
  bool done_ = false;  // the section was closed
};

}  // namespace sambay
