// One event of a streamed answer, in OpenAI's form.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "sambay/error.h"

namespace sambay {

struct TokenCounts {
  int prompt = 0, cached = 0, completion = 0;
};

/// What a chunk says, of a chat or of a completion.
struct AnswerChunk {
  /// It brings a token or several: text, thinking or a tool call; in a completion also an empty text, which
  /// is what servers send for a token that shows nothing.
  bool has_output = false;
  std::string content;   ///< the answer's text, without thinking
  bool is_last = false;  ///< a finish_reason
  std::optional<TokenCounts> usage;
  std::string error;  ///< what the server says went wrong; "" = nothing
};

/// Errors: corrupt (no JSON object, or one of other types). Unknown members are ignored.
Result<AnswerChunk> parse_answer_chunk(std::string_view json);

/// The id of the first model in an answer of /v1/models. Errors: corrupt.
Result<std::string> parse_model_list(std::string_view json);

}  // namespace sambay
