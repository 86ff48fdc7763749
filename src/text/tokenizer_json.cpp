// tokenizer.json -> TokenizerData. Everything that would change the result and that we do not compute is
// refused.
#include <algorithm>
#include <nlohmann/json.hpp>

#include <fmt/format.h>

#include "base/printable.h"
#include "text/byte_alphabet.h"
#include "text/patterns.h"
#include "text/token_index.h"
#include "text/tokenizer_data.h"
#include "text/tokenizer_sax.h"

namespace sambay {
namespace {

using nlohmann::json;

const json kNull;

/// A member, or null when it is absent.
const json& member(const json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() ? kNull : *found;
}

tl::unexpected<Error> corrupt(std::string message) { return fail(ErrorCode::corrupt, std::move(message)); }
tl::unexpected<Error> unsupported(std::string message) {
  return fail(ErrorCode::unsupported, std::move(message));
}

// Errors of the functions below name members relative to what they were given; callers put its path in front.

/// A boolean that may be left out.
Result<bool> flag(const json& object, const char* key, bool otherwise) {
  const json& value = member(object, key);
  if (value.is_null()) return otherwise;
  if (!value.is_boolean()) return corrupt(fmt::format("{} must be a boolean", key));
  return value.get<bool>();
}

/// The "type" of a component such as a pre-tokenizer.
Result<std::string> type_of(const json& object) {
  if (!object.is_object()) return corrupt("must be an object");
  const json& type = member(object, "type");
  if (!type.is_string()) return corrupt("type must be a string");
  return type.get<std::string>();
}

/// Everything of `model` but vocab and merges; the value is ignore_merges.
Result<bool> check_bpe(const json& model) {
  const Result<std::string> type = type_of(model);
  if (!type) return tl::unexpected(type.error());
  if (*type != "BPE") return unsupported(fmt::format("type \"{}\"; only BPE is known", printable(*type)));
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    const json& value = member(model, key);
    if (!value.is_null() && value != "")
      return unsupported(fmt::format("{} is set; only none is known", key));
  }
  if (flag(model, "byte_fallback", false) != false) return unsupported("byte_fallback must be false");
  const json& dropout = member(model, "dropout");
  if (!dropout.is_null() && dropout != 0) return unsupported("dropout is set; encoding would be random");
  return flag(model, "ignore_merges", false);
}

Result<AddedToken> read_added_token(const json& object) {
  if (!object.is_object()) return corrupt("must be an object");
  AddedToken token;
  const json& id = member(object, "id");
  if (!id.is_number_unsigned() || id.get<uint64_t>() >= kMaxTokenIds)
    return corrupt(fmt::format("id must be an integer from 0 to {}", kMaxTokenIds - 1));
  token.id = id.get<TokenId>();
  const json& content = member(object, "content");
  if (!content.is_string() || content == "") return corrupt("content must be a string that is not empty");
  token.content = content.get<std::string>();
  for (const auto& [key, field] : {std::pair{"lstrip", &AddedToken::lstrip},
                                   {"rstrip", &AddedToken::rstrip},
                                   {"special", &AddedToken::special}}) {
    const Result<bool> value = flag(object, key, false);
    if (!value) return tl::unexpected(value.error());
    token.*field = *value;
  }
  if (flag(object, "single_word", false) != false) return unsupported("single_word must be false");
  return token;
}

Result<std::vector<AddedToken>> read_added_tokens(const json& list) {
  std::vector<AddedToken> tokens;
  if (list.is_null()) return tokens;
  if (!list.is_array()) return corrupt("added_tokens must be an array");
  for (size_t i = 0; i < list.size(); i++) {
    SAMBAY_TRY(AddedToken token, read_added_token(list[i]), fmt::format("added_tokens[{}]", i));
    tokens.push_back(std::move(token));
  }
  return tokens;
}

/// Split: Isolated and inverted Removed both mean "every match is a word". The value is the expression.
Result<std::string> read_split(const json& split) {
  const json& pattern = member(split, "pattern");
  const json& regex = pattern.is_object() ? member(pattern, "Regex") : kNull;
  if (!regex.is_string() || regex == "")
    return unsupported("pattern must have a \"Regex\" that is not empty");
  const json& behavior = member(split, "behavior");
  const Result<bool> invert = flag(split, "invert", false);
  if (!invert) return tl::unexpected(invert.error());
  if (behavior == "Isolated" || (behavior == "Removed" && *invert)) return regex.get<std::string>();
  return unsupported(
      fmt::format("behavior {}{}; only \"Isolated\" and \"Removed\" with invert are known",
                  behavior.is_string() ? printable(behavior.get_ref<const std::string&>()) : "is missing",
                  *invert ? " with invert" : ""));
}

/// One step of the pre-tokenizer: the expression that it splits by, or "".
Result<std::string> read_step(const json& step, bool& byte_level) {
  const Result<std::string> type = type_of(step);
  if (!type) return tl::unexpected(type.error());
  if (*type == "Split" && !byte_level) return read_split(step);
  if (*type != "ByteLevel" || byte_level)
    return unsupported(
        fmt::format("type \"{}\"; only one Split and then ByteLevel are known", printable(*type)));
  byte_level = true;
  if (flag(step, "add_prefix_space", true) != false) return unsupported("add_prefix_space must be false");
  const Result<bool> splits = flag(step, "use_regex", true);
  if (!splits) return tl::unexpected(splits.error());
  return std::string(*splits ? kGpt2Pattern : "");
}

Result<std::string> read_pattern(const json& top) {
  if (!top.is_object()) return unsupported("must be an object: a byte-level pre-tokenizer is needed");
  std::string pattern;
  bool byte_level = false;
  const auto add = [&](const json& step) -> Result<void> {
    const Result<std::string> found = read_step(step, byte_level);
    if (!found) return tl::unexpected(found.error());
    if (!found->empty() && !pattern.empty())
      return unsupported("splits a second time; only one Split is known");
    pattern += *found;
    return {};
  };
  if (member(top, "type") != "Sequence") {
    SAMBAY_TRY_VOID(add(top));
  } else {
    const json& steps = member(top, "pretokenizers");
    if (!steps.is_array()) return corrupt("pretokenizers must be an array");
    for (size_t i = 0; i < steps.size(); i++) {
      if (auto added = add(steps[i]); !added)
        return tl::unexpected(std::move(added).error().during(fmt::format("pretokenizers[{}]", i)));
    }
  }
  if (!byte_level || pattern.empty()) return unsupported("must be ByteLevel with a pattern to split by");
  return pattern;
}

/// What may stand around the model without changing ids or text.
Result<void> check_surroundings(const json& root) {
  const json& normalizer = member(root, "normalizer");
  if (!normalizer.is_null()) {
    SAMBAY_TRY(const std::string type, type_of(normalizer), "normalizer");
    const json& steps = member(normalizer, "normalizers");
    if (type != "Sequence" || !steps.is_array() || !steps.empty())
      return unsupported(fmt::format("normalizer: type \"{}\"; only none is known", printable(type)));
  }
  for (const char* key : {"post_processor", "decoder"}) {
    const json& part = member(root, key);
    if (part.is_null()) continue;
    SAMBAY_TRY(const std::string type, type_of(part), key);
    if (type != "ByteLevel")
      return unsupported(fmt::format("{}: type \"{}\"; only ByteLevel is known", key, printable(type)));
  }
  return {};
}

std::string in_quotes(std::string_view token) { return fmt::format("\"{}\"", printable(token)); }

/// model.vocab -> data.tokens, and the index by the texts of the file. Added tokens are in place already.
Result<TokenIndex> read_vocab(const TokenizerFile& file, TokenizerData& data) {
  if (!file.has_vocab) return corrupt("model.vocab is missing");
  uint64_t id_count = data.tokens.size();
  for (const auto& entry : file.vocab) {
    if (entry.id >= kMaxTokenIds)
      return corrupt(fmt::format("model.vocab[{}]: id {} is too large; at most {} is allowed",
                                 in_quotes(file.view(entry.token)), entry.id, kMaxTokenIds - 1));
    id_count = std::max(id_count, entry.id + 1);
  }
  std::vector<bool> is_added(id_count), taken(id_count);
  for (const AddedToken& token : data.added) is_added[token.id] = true;
  data.tokens.resize(id_count);
  TokenIndex index(file.vocab.size());
  for (const auto& entry : file.vocab) {
    const std::string_view text = file.view(entry.token);
    const auto error = [&](std::string_view what) {
      return corrupt(fmt::format("model.vocab[{}]: {}", in_quotes(text), what));
    };
    if (text.empty()) return error("a token must not be empty");
    if (!index.insert(text, static_cast<TokenId>(entry.id))) return error("appears twice");
    if (taken[entry.id]) return error(fmt::format("id {} is another token's too", entry.id));
    taken[entry.id] = true;
    std::string& token = data.tokens[entry.id];
    if (is_added[entry.id]) {
      if (token != text) return error(fmt::format("id {} is added token {} too", entry.id, in_quotes(token)));
    } else if (!from_byte_alphabet(text, token)) {
      return error("has a character that stands for no byte");
    }
  }
  return index;
}

Result<void> read_merges(const TokenizerFile& file, const TokenIndex& index, TokenizerData& data) {
  if (!file.has_merges) return corrupt("model.merges is missing");
  data.merges.reserve(file.merges.size());
  std::string joined;
  for (size_t i = 0; i < file.merges.size(); i++) {
    const std::string_view left = file.view(file.merges[i].left), right = file.view(file.merges[i].right);
    joined.assign(left).append(right);
    const TokenizerData::Merge merge{index.find(left), index.find(right), index.find(joined)};
    for (const auto& [id, text] : {std::pair<TokenId, std::string_view>{merge.left, left},
                                   {merge.right, right},
                                   {merge.merged, joined}}) {
      if (id == TokenIndex::kNone)
        return corrupt(fmt::format("model.merges[{}]: token {} is not in model.vocab", i, in_quotes(text)));
    }
    data.merges.push_back(merge);
  }
  return {};
}

Result<void> place_added_tokens(TokenizerData& data) {
  for (size_t i = 0; i < data.added.size(); i++) {
    const AddedToken& token = data.added[i];
    if (data.tokens.size() <= static_cast<size_t>(token.id)) data.tokens.resize(token.id + 1);
    if (!data.tokens[token.id].empty())
      return corrupt(fmt::format("added_tokens[{}].id: {} is used twice", i, token.id));
    data.tokens[token.id] = token.content;
  }
  return {};
}

Result<TokenizerData> interpret(const TokenizerFile& file) {
  if (!file.tree.is_object()) return corrupt("top level must be an object");
  TokenizerData data;
  SAMBAY_TRY(data.ignore_merges, check_bpe(member(file.tree, "model")), "model");
  SAMBAY_TRY_VOID(check_surroundings(file.tree));
  SAMBAY_TRY(data.pattern, read_pattern(member(file.tree, "pre_tokenizer")), "pre_tokenizer");
  auto added = read_added_tokens(member(file.tree, "added_tokens"));
  if (!added) return tl::unexpected(added.error());
  data.added = *std::move(added);
  SAMBAY_TRY_VOID(place_added_tokens(data));
  auto vocab = read_vocab(file, data);
  if (!vocab) return tl::unexpected(vocab.error());
  const TokenIndex& index = *vocab;
  for (size_t i = 0; i < data.added.size(); i++) {
    const TokenId in_vocab = index.find(data.added[i].content);
    if (in_vocab != TokenIndex::kNone && in_vocab != data.added[i].id)
      return corrupt(fmt::format("added_tokens[{}]: {} has id {} here and {} in model.vocab", i,
                                 in_quotes(data.added[i].content), data.added[i].id, in_vocab));
  }
  SAMBAY_TRY_VOID(read_merges(file, index, data));
  return data;
}

}  // namespace

Result<TokenizerData> parse_tokenizer_json(std::string_view text, std::string_view name) {
  SAMBAY_TRY(const TokenizerFile file, read_tokenizer_file(text), name);
  SAMBAY_TRY(TokenizerData data, interpret(file), name);
  return data;
}

}  // namespace sambay
