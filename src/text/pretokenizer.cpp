#include "text/pretokenizer.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>

#include <fmt/format.h>

#include "base/utf8.h"

namespace sambay {
namespace {

constexpr size_t kMaxPatternBytes = 64 * 1024;
constexpr size_t kMaxJitStackBytes = 64 * 1024 * 1024;

// Effort. A first try sees a window of kFirstWindow bytes and may take kStepsPerByte steps for each; nearly
// all words are done with that. Each further try is given kGrowth times as much and is charged to the budget
// of the text, so that neither backtracking nor scanning far ahead again and again can take longer than that.
constexpr size_t kFirstWindow = 128;
constexpr size_t kStepsPerByte = 16;
constexpr size_t kGrowth = 4;
constexpr int64_t kBudget = 16'000'000;
constexpr int64_t kBudgetPerByte = 64;

std::string pcre2_message(int code) {
  PCRE2_UCHAR buffer[256];
  if (pcre2_get_error_message(code, buffer, sizeof buffer) < 0) return fmt::format("error {}", code);
  return reinterpret_cast<const char*>(buffer);
}

/// \s -> \p{White_Space}, \S -> \P{White_Space}, inside classes too; anything else is copied.
std::string with_unicode_white_space(std::string_view pattern) {
  std::string out;
  for (size_t i = 0; i < pattern.size(); i++) {
    if (pattern[i] != '\\' || i + 1 == pattern.size()) {
      out += pattern[i];
      continue;
    }
    const char escaped = pattern[++i];
    if (escaped == 's') {
      out += "\\p{White_Space}";
    } else if (escaped == 'S') {
      out += "\\P{White_Space}";
    } else {
      out += '\\';
      out += escaped;
    }
  }
  return out;
}

size_t character_length(char lead) {
  const auto byte = static_cast<unsigned char>(lead);
  return byte < 0xC0 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

}  // namespace

Result<Pretokenizer> Pretokenizer::compile(std::string_view pattern) {
  if (pattern.size() > kMaxPatternBytes)
    return fail(ErrorCode::unsupported,
                fmt::format("pattern of {} bytes; at most {} are allowed", pattern.size(), kMaxPatternBytes));
  if (valid_utf8_prefix(pattern) != pattern.size())
    return fail(ErrorCode::corrupt, "pattern is not valid UTF-8");
  const std::string translated = with_unicode_white_space(pattern);
  // Anchored: text that does not match is stepped over here, where it can be counted. Groups do not capture:
  // nobody asks for them.
  const uint32_t options =
      PCRE2_UTF | PCRE2_UCP | PCRE2_ANCHORED | PCRE2_NO_AUTO_CAPTURE | PCRE2_NEVER_BACKSLASH_C;
  int error = 0;
  PCRE2_SIZE offset = 0;
  std::shared_ptr<pcre2_code> code(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()),
                                                 translated.size(), options, &error, &offset, nullptr),
                                   [](pcre2_code* c) { pcre2_code_free(c); });
  if (!code)
    return fail(ErrorCode::unsupported,
                fmt::format("pattern does not compile: {} (near byte {})", pcre2_message(error), offset));
  uint32_t back_references = 0;
  pcre2_pattern_info(code.get(), PCRE2_INFO_BACKREFMAX, &back_references);
  if (back_references > 0)
    return fail(ErrorCode::unsupported, "pattern has back references; a tokenizer's must have none");
  // A system that forbids memory both writable and executable refuses this; PCRE2 then interprets.
  (void)pcre2_jit_compile(code.get(), PCRE2_JIT_COMPLETE | PCRE2_JIT_PARTIAL_HARD);
  return Pretokenizer(std::move(code));
}

WordSplitter::WordSplitter(const Pretokenizer& pretokenizer, size_t text_bytes)
    : pretokenizer_(&pretokenizer),
      match_data_(pcre2_match_data_create(1, nullptr)),
      context_(pcre2_match_context_create(nullptr)),
      jit_stack_(pcre2_jit_stack_create(32 * 1024, kMaxJitStackBytes, nullptr)),
      budget_(kBudget + kBudgetPerByte * static_cast<int64_t>(text_bytes)) {
  if (context_ == nullptr) return;
  if (jit_stack_ != nullptr) pcre2_jit_stack_assign(context_, nullptr, jit_stack_);
  pcre2_set_heap_limit(context_, kMaxJitStackBytes / 1024);  // for the interpreter, in KiB
}

WordSplitter::~WordSplitter() {
  pcre2_match_data_free(match_data_);
  pcre2_match_context_free(context_);
  pcre2_jit_stack_free(jit_stack_);
}

/// End of the match that begins at `start`; `start` itself when there is none or an empty one.
Result<size_t> WordSplitter::match_end(std::string_view text, size_t start) {
  for (size_t effort = kFirstWindow;; effort *= kGrowth) {
    // The window ends between characters; whoever looks beyond it gets "partial" and a larger one.
    const bool whole = effort >= text.size() - start;
    size_t end = whole ? text.size() : start + effort;
    while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) end++;
    const auto steps = static_cast<uint32_t>(std::min<size_t>(effort * kStepsPerByte, UINT32_MAX));
    pcre2_set_match_limit(context_, steps);
    const int rc = pcre2_match(
        pretokenizer_->code_.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), end, start,
        PCRE2_NO_UTF_CHECK | (whole ? 0u : static_cast<uint32_t>(PCRE2_PARTIAL_HARD)), match_data_, context_);
    if (effort > kFirstWindow) budget_ -= static_cast<int64_t>(end - start);
    if (rc >= 0) return std::max<size_t>(start, pcre2_get_ovector_pointer(match_data_)[1]);
    if (rc == PCRE2_ERROR_NOMATCH) return start;
    if (rc == PCRE2_ERROR_MATCHLIMIT) {
      budget_ -= static_cast<int64_t>(steps);
    } else if (rc != PCRE2_ERROR_PARTIAL) {
      return fail(ErrorCode::invalid_argument, pcre2_message(rc));
    }
    if (budget_ < 0) return fail(ErrorCode::invalid_argument, "too many steps");
  }
}

Result<size_t> WordSplitter::word_end(std::string_view text, size_t start) {
  if (match_data_ == nullptr || context_ == nullptr)
    return fail(ErrorCode::out_of_memory, "no memory for matching the tokenizer's pattern");
  if (gap_text_ == text.data() && gap_end_ == start && gap_match_end_ > start) return gap_match_end_;
  for (size_t at = start; at < text.size(); at += character_length(text[at])) {
    const Result<size_t> end = match_end(text, at);
    if (!end) return tl::unexpected(Error(end.error()).during("the tokenizer's pattern gives up"));
    if (*end == at) continue;
    if (at == start) return *end;
    gap_text_ = text.data(), gap_end_ = at, gap_match_end_ = *end;
    return at;
  }
  return text.size();
}

}  // namespace sambay
