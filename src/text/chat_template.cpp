#include <fmt/format.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <iterator>

#include "base/printable.h"
#include "base/utf8.h"
#include "text/jinja_canonical.h"
#include "text/tokenizer_impl.h"

namespace sambay {
namespace {

constexpr std::string_view kPhi = "phi", kPhiReasoning = "phi-reasoning";
constexpr std::string_view kEnd = "<|end|>", kEndOfText = "<|endoftext|>";
constexpr std::string_view kTools = "<|tool|>", kToolsEnd = "<|/tool|>", kToolResponse = "<|tool_response|>";
/// What an assistant writes beside text.
constexpr std::string_view kMarks[] = {"<think>", "</think>", "<|tool_call|>", "<|/tool_call|>"};
/// What Phi-4-mini-reasoning's template puts into every conversation.
constexpr std::string_view kPhiReasoningSystem =
    "Your name is Phi, an AI math expert developed by Microsoft.";

struct KnownTemplate {
  std::string_view family;
  bool ends_with_eos;
  std::string_view text;
};

// A `tool` message is rendered alike for all of them, behind the token that the vocabulary has for it; the
// published templates, which write any role as a token, have not thought of that one.
constexpr KnownTemplate kKnown[] = {
    // The model in this repository
    {kPhi, true,
     "{% for message in messages %}{% if message['role'] == 'system' and 'tools' in message and "
     "message['tools'] is "
     "not none %}{{ '<|' + message['role'] + '|>' + message['content'] + '<|tool|>' + message['tools'] + "
     "'<|/tool|>' + '<|end|>' }}{% elif message['role'] == 'tool' %}{{ '<|tool_response|>' + "
     "message['content'] + '<|end|>' }}{% else %}{{ '<|' + message['role'] + '|>' + message['content'] + "
     "'<|end|>' }}"
     "{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% else %}{{ eos_token }}{% "
     "endif %}"},
    // Phi-4-mini-instruct
    {kPhi, true,
     "{% for message in messages %}{% if message['role'] == 'system' and 'tools' in message and "
     "message['tools'] is "
     "not none %}{{ '<|' + message['role'] + '|>' + message['content'] + '<|tool|>' + message['tools'] + "
     "'<|/tool|>' + '<|end|>' }}{% else %}{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' "
     "}}"
     "{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% else %}{{ eos_token }}{% "
     "endif %}"},
    // The same without tools, with and without eos
    {kPhi, true,
     "{% for message in messages %}{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}{% "
     "endfor %}"
     "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% else %}{{ eos_token }}{% endif %}"},
    {kPhi, false,
     "{% for message in messages %}{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}{% "
     "endfor %}"
     "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"},
    // Phi-4-mini-reasoning
    {kPhiReasoning, true,
     "{{ '<|system|>Your name is Phi, an AI math expert developed by Microsoft.' }}{% for message in "
     "messages %}"
     "{% if message['role'] == 'system' %} {{ message['content'] }}{% if 'tools' in message and "
     "message['tools'] is "
     "not none %}{{ '<|tool|>' + message['tools'] + '<|/tool|>' }}{% endif %}{% endif %}{% endfor %}{{ "
     "'<|end|>' }}"
     "{% for message in messages %}{% if message['role'] != 'system' %}{{ '<|' + message['role'] + '|>' + "
     "message['content'] + '<|end|>' }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ "
     "'<|assistant|>' }}"
     "{% else %}{{ eos_token }}{% endif %}"},
};

/// A piece of a rendered conversation: the text of one added token, or plain text.
struct Part {
  enum Kind { plain, token, mark };  ///< a mark is a token where the vocabulary has it, else plain text
  Kind kind;
  std::string text;
};

struct Conversation {
  std::vector<Part> parts;

  void token(std::string_view text) { parts.push_back({Part::token, std::string(text)}); }
  void role(std::string_view name) {
    token(name == "tool" ? std::string(kToolResponse) : fmt::format("<|{}|>", name));
  }
  void plain(std::string_view text) {
    if (text.empty()) return;
    if (parts.empty() || parts.back().kind != Part::plain) parts.push_back({Part::plain, {}});
    parts.back().text += text;
  }
  void tools(const ChatMessage& message) {
    if (message.tools.empty()) return;
    token(kTools);
    plain(message.tools);
    token(kToolsEnd);
  }
  /// Text with the marks that an assistant may have written.
  void written(std::string_view text) {
    while (!text.empty()) {
      size_t first = std::string_view::npos;
      std::string_view mark;
      for (std::string_view candidate : kMarks)
        if (const size_t at = text.find(candidate); at < first) first = at, mark = candidate;
      plain(text.substr(0, first));
      if (first == std::string_view::npos) return;
      parts.push_back({Part::mark, std::string(mark)});
      text.remove_prefix(first + mark.size());
    }
  }
  /// Marks become tokens or text.
  void settle_marks(const Tokenizer& tokenizer) {
    std::vector<Part> before;
    before.swap(parts);
    for (Part& part : before) {
      if (part.kind == Part::mark) part.kind = tokenizer.added_token(part.text) ? Part::token : Part::plain;
      if (part.kind == Part::plain)
        plain(part.text);
      else
        parts.push_back(std::move(part));
    }
  }
};

Conversation lay_out(std::string_view family, bool ends_with_eos, std::span<const ChatMessage> messages,
                     ChatEnding ending) {
  Conversation out;
  const bool own_system = family == kPhiReasoning;
  if (own_system) {
    out.role("system");
    out.plain(kPhiReasoningSystem);
    for (const ChatMessage& message : messages) {
      if (message.role != "system") continue;
      out.plain(" ");
      out.plain(message.content);
      out.tools(message);
    }
    out.token(kEnd);
  }
  for (const ChatMessage& message : messages) {
    const bool goes_on = ending == ChatEnding::unfinished && &message == &messages.back();
    if (own_system && message.role == "system") continue;
    out.role(message.role);
    if (message.role == "assistant")
      out.written(message.content);
    else
      out.plain(message.content);
    out.tools(message);
    if (!goes_on) out.token(kEnd);
  }
  if (ending == ChatEnding::generation_prompt)
    out.role("assistant");
  else if (ending == ChatEnding::closed && ends_with_eos)
    out.token(kEndOfText);
  return out;
}

Result<void> check_messages(std::span<const ChatMessage> messages) {
  for (const ChatMessage& message : messages) {
    constexpr std::string_view kRoles[] = {"system", "user", "assistant", "tool"};
    if (std::find(std::begin(kRoles), std::end(kRoles), message.role) == std::end(kRoles))
      return fail(ErrorCode::invalid_argument,
                  fmt::format("unknown role \"{}\"; known are system, user, assistant and tool",
                              printable(message.role)));
    if (!message.tools.empty() && message.role != "system")
      return fail(ErrorCode::invalid_argument,
                  fmt::format("a message of role {} has tools; only a system message may", message.role));
  }
  return {};
}

}  // namespace

Result<ChatTemplate> ChatTemplate::recognize(std::optional<std::string_view> text,
                                             std::string_view forced_family) {
  ChatTemplate result;
  if (!forced_family.empty()) {
    if (forced_family != kPhi && forced_family != kPhiReasoning)
      return fail(ErrorCode::invalid_argument,
                  fmt::format("unknown chat template \"{}\"; known are {} and {}", printable(forced_family),
                              kPhi, kPhiReasoning));
    result.family_ = forced_family;
    return result;
  }
  if (!text) return fail(ErrorCode::not_found, "the model has no chat template");
  const std::string canonical = canonical_jinja(*text);
  for (const KnownTemplate& known : kKnown) {
    if (canonical != canonical_jinja(known.text)) continue;
    result.family_ = known.family;
    result.ends_with_eos_ = known.ends_with_eos;
    return result;
  }
  return fail(
      ErrorCode::unsupported,
      fmt::format("the model's chat template (fingerprint {:016x}) is none that is known; force one of {} "
                  "and {}, or give the prompt raw",
                  XXH64(text->data(), text->size(), 0), kPhi, kPhiReasoning));
}

std::string ChatTemplate::render(std::span<const ChatMessage> messages, ChatEnding ending) const {
  std::string out;
  for (const Part& part : lay_out(family_, ends_with_eos_, messages, ending).parts) out += part.text;
  return out;
}

Result<std::vector<TokenId>> ChatTemplate::encode(const Tokenizer& tokenizer,
                                                  std::span<const ChatMessage> messages,
                                                  ChatEnding ending) const {
  SAMBAY_TRY_VOID(check_messages(messages));
  if (ending == ChatEnding::unfinished && (messages.empty() || messages.back().role != "assistant"))
    return fail(ErrorCode::invalid_argument,
                "only an assistant's message can be gone on with, and it must be the last");
  Conversation conversation = lay_out(family_, ends_with_eos_, messages, ending);
  conversation.settle_marks(tokenizer);
  const std::vector<Part>& parts = conversation.parts;
  std::vector<TokenId> ids;
  for (size_t i = 0; i < parts.size(); i++) {
    if (parts[i].kind == Part::token) {
      const std::optional<TokenId> id = tokenizer.added_token(parts[i].text);
      if (!id)
        return fail(
            ErrorCode::unsupported,
            fmt::format("the vocabulary has no token {}, which the chat template needs", parts[i].text));
      ids.push_back(*id);
      continue;
    }
    std::string_view text = parts[i].text;
    if (i > 0 && tokenizer.strips_right(ids.back())) text.remove_prefix(leading_white_space(text));
    const std::optional<TokenId> next =
        i + 1 < parts.size() ? tokenizer.added_token(parts[i + 1].text) : std::nullopt;
    if (next && tokenizer.impl().has_flag(*next, Tokenizer::Impl::kStripsLeft))
      text.remove_suffix(trailing_white_space(text));
    SAMBAY_TRY(const std::vector<TokenId> content, tokenizer.encode(text), "chat message");
    ids.insert(ids.end(), content.begin(), content.end());
  }
  return ids;
}

}  // namespace sambay
