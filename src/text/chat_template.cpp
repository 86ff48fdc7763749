#include <fmt/format.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/printable.h"
#include "base/utf8.h"
#include "text/jinja_canonical.h"
#include "text/tokenizer_impl.h"

namespace sambay {
namespace {

constexpr std::string_view kPhi = "phi", kPhiReasoning = "phi-reasoning";
constexpr std::string_view kEnd = "<|end|>", kEndOfText = "<|endoftext|>";
/// What Phi-4-mini-reasoning's template puts into every conversation.
constexpr std::string_view kPhiReasoningSystem =
    "Your name is Phi, an AI math expert developed by Microsoft.";

struct KnownTemplate {
  std::string_view family;
  bool ends_with_eos;
  std::string_view text;
};

// The `tools` branches need a member of a message that we have no way to give, so they never render.
constexpr KnownTemplate kKnown[] = {
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
  bool is_token;
  std::string text;
};

struct Conversation {
  std::vector<Part> parts;

  void token(std::string_view text) { parts.push_back({true, std::string(text)}); }
  void role(std::string_view name) { token(fmt::format("<|{}|>", name)); }
  void plain(std::string_view text) {
    if (text.empty()) return;
    if (parts.empty() || parts.back().is_token) parts.push_back({false, {}});
    parts.back().text += text;
  }
};

Conversation lay_out(std::string_view family, bool ends_with_eos, std::span<const ChatMessage> messages,
                     bool add_generation_prompt) {
  Conversation out;
  const bool own_system = family == kPhiReasoning;
  if (own_system) {
    out.role("system");
    out.plain(kPhiReasoningSystem);
    for (const ChatMessage& message : messages) {
      if (message.role != "system") continue;
      out.plain(" ");
      out.plain(message.content);
    }
    out.token(kEnd);
  }
  for (const ChatMessage& message : messages) {
    if (own_system && message.role == "system") continue;
    out.role(message.role);
    out.plain(message.content);
    out.token(kEnd);
  }
  if (add_generation_prompt) {
    out.role("assistant");
  } else if (ends_with_eos) {
    out.token(kEndOfText);
  }
  return out;
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

std::string ChatTemplate::render(std::span<const ChatMessage> messages, bool add_generation_prompt) const {
  std::string out;
  for (const Part& part : lay_out(family_, ends_with_eos_, messages, add_generation_prompt).parts)
    out += part.text;
  return out;
}

Result<std::vector<TokenId>> ChatTemplate::encode(const Tokenizer& tokenizer,
                                                  std::span<const ChatMessage> messages,
                                                  bool add_generation_prompt) const {
  for (const ChatMessage& message : messages) {
    if (message.role != "system" && message.role != "user" && message.role != "assistant")
      return fail(
          ErrorCode::invalid_argument,
          fmt::format("unknown role \"{}\"; known are system, user and assistant", printable(message.role)));
  }
  const Conversation conversation = lay_out(family_, ends_with_eos_, messages, add_generation_prompt);
  const std::vector<Part>& parts = conversation.parts;
  std::vector<TokenId> ids;
  for (size_t i = 0; i < parts.size(); i++) {
    if (parts[i].is_token) {
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
