// Held-out problems with their answers, as JSON lines.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sambay/error.h"
#include "sambay/text.h"

namespace sambay {

// Limits on what a file may ask for.
inline constexpr size_t kMaxProblemsBytes = size_t{256} << 20;
inline constexpr size_t kMaxProblemLineBytes = size_t{1} << 20;
inline constexpr size_t kMaxProblems = 1'000'000;
inline constexpr size_t kMaxProblemMessages = 100;
inline constexpr size_t kMaxProblemAnswers = 16;

struct Problem {
  std::string family;
  std::string key;                      ///< names the problem: "add:347+589"
  std::vector<ChatMessage> messages;    ///< up to the one to answer; thinking stands in <think> tags
  std::optional<std::string> thinking;  ///< the expected one, if one is given
  std::string answer;                   ///< the expected one
  std::vector<std::string> also_right;  ///< other ways to write that answer

  bool accepts(std::string_view written) const;
};

struct ProblemSet {
  std::optional<uint64_t> seed;  ///< that the problems were made with
  std::string split;             ///< "test"; "" = not said
  std::vector<Problem> problems;
};

/// One JSON object per line: {"family", "messages": [{"role", "content", "tools" of a system message,
/// "thinking" of an assistant's}...], "thinking" (may be missing), "answer" (a string, or an array of strings
/// of which each is right), "key"}; before them, if at all, {"seed", "split"}. Other members and empty lines
/// are skipped. Errors: corrupt, with line and member.
Result<ProblemSet> parse_problems(std::string_view text, std::string_view name);

/// The same from a file. Errors: not_found, io.
Result<ProblemSet> read_problems(const std::string& path);

}  // namespace sambay
