// sambay tokenize, sambay detokenize
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <cstdio>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/printable.h"
#include "cli/command.h"
#include "sambay/text.h"

namespace sambay {
namespace {

struct TokenizeOptions {
  std::string model;
  bool jsonl = false, special = false;
};

Result<std::string> read_standard_input() {
  std::string text;
  char buffer[65536];
  for (size_t n; (n = std::fread(buffer, 1, sizeof buffer, stdin)) > 0;) {
    text.append(buffer, n);
    if (interrupted()) return fail(ErrorCode::cancelled, "interrupted");
  }
  if (interrupted()) return fail(ErrorCode::cancelled, "interrupted");
  if (std::ferror(stdin)) return fail(ErrorCode::io, "reading standard input failed");
  return text;
}

Result<void> write(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) == text.size()) return {};
  return fail(ErrorCode::io, "writing to standard output failed");
}

/// Calls fn(line, number) for each line of standard input, as it comes; the last one may lack its newline.
Result<void> for_each_line(const std::function<Result<void>(std::string_view, size_t)>& fn) {
  std::string line;
  size_t number = 0;
  for (int c = 0; c != EOF;) {
    c = std::getc(stdin);
    if (c != '\n' && c != EOF) {
      line.push_back(static_cast<char>(c));
      continue;
    }
    if (c == EOF && line.empty()) break;
    SAMBAY_TRY_VOID(fn(line, ++number));
    line.clear();
    if (interrupted()) return fail(ErrorCode::cancelled, "interrupted");
  }
  if (interrupted()) return fail(ErrorCode::cancelled, "interrupted");
  if (std::ferror(stdin)) return fail(ErrorCode::io, "reading standard input failed");
  return {};
}

Result<int> tokenize(const TokenizeOptions& o) {
  SAMBAY_TRY(const std::unique_ptr<Tokenizer> tokenizer, Tokenizer::open(o.model), "tokenizer");
  if (!o.jsonl) {
    SAMBAY_TRY(const std::string text, read_standard_input(), "tokenize");
    SAMBAY_TRY(const std::vector<TokenId> ids, tokenizer->encode(text, o.special), "tokenize");
    std::string out;
    for (TokenId id : ids) out += std::to_string(id) + "\n";
    SAMBAY_TRY_VOID(write(out));
    return 0;
  }
  SAMBAY_TRY_VOID(for_each_line([&](std::string_view line, size_t number) -> Result<void> {
    const auto json = nlohmann::json::parse(line, nullptr, false);
    if (!json.is_string())
      return fail(ErrorCode::corrupt, fmt::format("standard input, line {}: expected a JSON string", number));
    SAMBAY_TRY(const std::vector<TokenId> ids,
               tokenizer->encode(json.get_ref<const std::string&>(), o.special),
               fmt::format("line {}", number));
    return write(nlohmann::json(ids).dump() + "\n");
  }));
  return 0;
}

/// A decimal number that is a row of the vocabulary.
Result<TokenId> parse_id(std::string_view text, const Tokenizer& tokenizer, size_t line) {
  int64_t value = 0;
  const auto [stop, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (status == std::errc::invalid_argument || stop != text.data() + text.size())
    return fail(ErrorCode::invalid_argument,
                fmt::format("standard input, line {}: '{}' is not a token id", line, printable(text, 40)));
  if (status == std::errc() && value >= 0 && value < tokenizer.vocab()) return static_cast<TokenId>(value);
  return fail(ErrorCode::invalid_argument,
              fmt::format("standard input, line {}: id {} is outside of the vocabulary (0 to {})", line,
                          printable(text, 40), tokenizer.vocab() - 1));
}

/// Numbers apart by white space or commas.
Result<void> parse_numbers(std::string_view line, size_t number, const Tokenizer& tokenizer,
                           std::vector<TokenId>& ids) {
  constexpr std::string_view kApart = " \t\r,[]";
  while (true) {
    const size_t start = line.find_first_not_of(kApart);
    if (start == std::string_view::npos) return {};
    line.remove_prefix(start);
    const std::string_view word = line.substr(0, line.find_first_of(kApart));
    SAMBAY_TRY(const TokenId id, parse_id(word, tokenizer, number), "detokenize");
    ids.push_back(id);
    line.remove_prefix(word.size());
  }
}

/// A JSON array of ids.
Result<std::vector<TokenId>> parse_array(std::string_view line, size_t number, const Tokenizer& tokenizer) {
  const auto json = nlohmann::json::parse(line, nullptr, false);
  if (!json.is_array())
    return fail(ErrorCode::corrupt,
                fmt::format("standard input, line {}: expected a JSON array of ids", number));
  std::vector<TokenId> ids;
  ids.reserve(json.size());
  for (const auto& value : json) {
    SAMBAY_TRY(const TokenId id, parse_id(value.dump(), tokenizer, number), "detokenize");
    ids.push_back(id);
  }
  return ids;
}

std::string to_text(const Tokenizer& tokenizer, const std::vector<TokenId>& ids) {
  Detokenizer detokenizer(tokenizer, false);
  std::string text;
  for (TokenId id : ids) detokenizer.push(id, text);
  detokenizer.finish(text);
  return text;
}

Result<int> detokenize(const TokenizeOptions& o) {
  SAMBAY_TRY(const std::unique_ptr<Tokenizer> tokenizer, Tokenizer::open(o.model), "tokenizer");
  std::vector<TokenId> ids;
  SAMBAY_TRY_VOID(for_each_line([&](std::string_view line, size_t number) -> Result<void> {
    if (!o.jsonl) return parse_numbers(line, number, *tokenizer, ids);
    auto array = parse_array(line, number, *tokenizer);
    if (!array) return tl::unexpected(std::move(array).error());
    return write(nlohmann::json(to_text(*tokenizer, *array)).dump() + "\n");
  }));
  if (!o.jsonl) SAMBAY_TRY_VOID(write(to_text(*tokenizer, ids)));
  return 0;
}

CLI::App* declare(CLI::App& app, const char* name, const char* summary, TokenizeOptions& o) {
  CLI::App* cmd = app.add_subcommand(name, summary);
  cmd->add_option("model,-m,--model", o.model, "Model, or a tokenizer.json (default: the embedded model)");
  return cmd;
}

}  // namespace

void add_tokenize(CLI::App& app, Action& action) {
  auto o = std::make_shared<TokenizeOptions>();
  CLI::App* cmd = declare(app, "tokenize", "Text on standard input to token ids, one per line", *o);
  cmd->add_flag("--jsonl", o->jsonl, "Each input line a JSON string, each output line a JSON array of ids");
  cmd->add_flag("--special", o->special, "Special tokens in the text count as such");
  cmd->callback([&action, o] { action = [o] { return tokenize(*o); }; });
}

void add_detokenize(CLI::App& app, Action& action) {
  auto o = std::make_shared<TokenizeOptions>();
  CLI::App* cmd =
      declare(app, "detokenize", "Token ids on standard input to text; what is not UTF-8 becomes U+FFFD", *o);
  cmd->add_flag("--jsonl", o->jsonl, "Each input line a JSON array of ids, each output line a JSON string");
  cmd->callback([&action, o] { action = [o] { return detokenize(*o); }; });
}

}  // namespace sambay
