#include "loadgen/prompts.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/mapped_file.h"
#include "base/printable.h"
#include "loadgen/arrivals.h"

namespace sambay {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMaxFileBytes = 64 << 20, kMaxLines = 100'000;
constexpr uint64_t kShared = 0x5a, kOwn = 0x0b, kCold = 0xc01d, kProbe = 0x9b;  // streams of random numbers

constexpr std::array kWords = {
    "time",   "year",    "people",   "way",    "day",   "man",     "thing",  "woman", "life",    "child",
    "world",  "school",  "state",    "family", "group", "country", "hand",   "part",  "place",   "case",
    "week",   "company", "system",   "number", "night", "point",   "home",   "water", "room",    "mother",
    "area",   "money",   "story",    "fact",   "month", "lot",     "right",  "study", "book",    "eye",
    "job",    "word",    "business", "issue",  "side",  "kind",    "head",   "house", "service", "friend",
    "father", "power",   "hour",     "game",   "line",  "end",     "member", "law",   "car",     "city",
    "name",   "team",    "minute",   "idea"};

uint64_t mix(uint64_t a, uint64_t b) { return load_random(a, b); }

std::string words(uint64_t stream, int count) {
  std::string text;
  for (int i = 0; i < count; i++) {
    if (i > 0) text += ' ';
    text += kWords[load_random(stream, static_cast<uint64_t>(i)) % kWords.size()];
  }
  return text;
}

void add_ids(Json& ids, uint64_t stream, int count, int below) {
  for (int i = 0; i < count; i++)
    ids.push_back(load_random(stream, static_cast<uint64_t>(i)) % static_cast<uint64_t>(below));
}

Json message(const char* role, std::string content) {
  return {{"role", role}, {"content", std::move(content)}};
}

std::string dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

Json base_body(const PromptOptions& o, int max_tokens) {
  Json body = {{"model", o.model},
               {"stream", true},
               {"stream_options", {{"include_usage", true}}},
               {"max_tokens", max_tokens}};
  if (o.ignore_eos) body["ignore_eos"] = true;
  if (o.temperature) body["temperature"] = *o.temperature;
  return body;
}

Result<FilePrompt> parse_line(std::string_view line, const std::string& where) {
  const auto wrong = [&](const char* what) { return fail(ErrorCode::corrupt, where + ": " + what); };
  const Json parsed = Json::parse(line, nullptr, false);
  if (!parsed.is_object()) return wrong("no JSON object");
  FilePrompt prompt;
  const bool chat = parsed.contains("messages"), completion = parsed.contains("prompt");
  if (chat == completion) return wrong("expected either \"messages\" or \"prompt\"");
  prompt.api = chat ? LoadApi::chat : LoadApi::completions;
  const Json& value = parsed[chat ? "messages" : "prompt"];
  if (chat && (!value.is_array() || value.empty())) return wrong("\"messages\" is no list of messages");
  if (!chat && !value.is_string() && !value.is_array())
    return wrong("\"prompt\" is no text and no list of ids");
  prompt.json = dump(value);
  if (const auto found = parsed.find("max_tokens"); found != parsed.end() && !found->is_null()) {
    if (!found->is_number_unsigned() || found->get<uint64_t>() < 1 || found->get<uint64_t>() > 1 << 20)
      return wrong("\"max_tokens\" is no whole number from 1 to 1048576");
    prompt.max_tokens = found->get<int>();
  }
  return prompt;
}

}  // namespace

Result<std::vector<FilePrompt>> parse_prompts(std::string_view text, std::string_view name) {
  if (text.size() > kMaxFileBytes)
    return fail(ErrorCode::corrupt, fmt::format("{}: more than {} bytes", name, kMaxFileBytes));
  std::vector<FilePrompt> prompts;
  for (size_t line_number = 1; !text.empty(); line_number++) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    if (prompts.size() == kMaxLines)
      return fail(ErrorCode::corrupt, fmt::format("{}: more than {} prompts", name, kMaxLines));
    SAMBAY_TRY(FilePrompt prompt, parse_line(line, fmt::format("{}: line {}", name, line_number)),
               "--prompts");
    prompts.push_back(std::move(prompt));
  }
  if (prompts.empty()) return fail(ErrorCode::corrupt, fmt::format("{}: no prompts in it", name));
  return prompts;
}

Result<std::vector<FilePrompt>> read_prompts(const std::string& path) {
  SAMBAY_TRY(const MappedFile file, MappedFile::open(path), "--prompts");
  const auto bytes = file.bytes();
  return parse_prompts({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path);
}

std::optional<WordCost> WordCost::from(int words_a, int tokens_a, int words_b, int tokens_b) {
  if (words_a == words_b) return std::nullopt;
  WordCost cost;
  cost.tokens_per_word = static_cast<double>(tokens_b - tokens_a) / (words_b - words_a);
  cost.tokens_around = std::max(0.0, tokens_a - cost.tokens_per_word * words_a);
  if (!(cost.tokens_per_word >= 0.1 && cost.tokens_per_word <= 100)) return std::nullopt;
  return cost;
}

int WordCost::words_for(int tokens) const {
  return static_cast<int>(std::max(1.0, std::round((tokens - tokens_around) / tokens_per_word)));
}

LoadApi PromptSource::api(uint64_t number) const {
  return options_.file.empty() ? options_.api : options_.file[number % options_.file.size()].api;
}

std::string PromptSource::body(uint64_t number, int turn, std::span<const std::string> answers,
                               bool cold) const {
  const PromptOptions& o = options_;
  if (!o.file.empty()) {
    const FilePrompt& line = o.file[number % o.file.size()];
    Json body = base_body(o, line.max_tokens > 0 ? line.max_tokens : o.max_tokens);
    body[line.api == LoadApi::chat ? "messages" : "prompt"] = Json::parse(line.json, nullptr, false);
    return dump(body);
  }
  // A cold conversation shares nothing with the one it is held against, the system message included.
  const uint64_t own = mix(mix(o.seed, cold ? kCold : kOwn), number);
  const uint64_t shared = cold ? mix(own, kShared) : mix(o.seed, kShared);
  const int first = std::max(1, o.prompt_tokens - o.shared_tokens);
  const auto stream_of = [&](int t) { return mix(own, static_cast<uint64_t>(t)); };
  Json body = base_body(o, o.max_tokens);
  if (o.token_ids > 0) {
    Json ids = Json::array();
    add_ids(ids, shared, o.shared_tokens, o.token_ids);
    add_ids(ids, stream_of(0), first, o.token_ids);
    for (int t = 1; t <= turn; t++)  // nobody knows the ids of the answers: others in their place
      add_ids(ids, stream_of(t), o.max_tokens + o.turn_tokens, o.token_ids);
    body["prompt"] = std::move(ids);
    return dump(body);
  }
  // What stands around the words is counted with the first turn.
  const auto own_words = [&](int t) {
    const WordCost later{cost_.tokens_per_word, 0};
    return words(stream_of(t), t == 0 ? cost_.words_for(first) : later.words_for(o.turn_tokens));
  };
  const WordCost bare{cost_.tokens_per_word, 0};
  const std::string system = o.shared_tokens > 0 ? words(shared, bare.words_for(o.shared_tokens)) : "";
  if (o.api == LoadApi::completions) {
    std::string text = system.empty() ? own_words(0) : system + ' ' + own_words(0);
    for (int t = 1; t <= turn; t++) text += answers[static_cast<size_t>(t - 1)] + '\n' + own_words(t);
    body["prompt"] = std::move(text);
    return dump(body);
  }
  Json messages = Json::array();
  if (!system.empty()) messages.push_back(message("system", system));
  messages.push_back(message("user", own_words(0)));
  for (int t = 1; t <= turn; t++) {
    messages.push_back(message("assistant", answers[static_cast<size_t>(t - 1)]));
    messages.push_back(message("user", own_words(t)));
  }
  body["messages"] = std::move(messages);
  return dump(body);
}

std::string PromptSource::probe_body(int word_count) const {
  Json body = base_body(options_, 1);
  const std::string text = words(mix(options_.seed, kProbe + static_cast<uint64_t>(word_count)), word_count);
  if (options_.api == LoadApi::completions)
    body["prompt"] = text;
  else
    body["messages"] = Json::array({message("user", text)});
  return dump(body);
}

}  // namespace sambay
