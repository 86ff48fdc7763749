// Tokenizers inside GGUF files. The keys are described at tokenizer_to_gguf().
#include "text/gguf_tokenizer.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/printable.h"
#include "text/byte_alphabet.h"
#include "text/patterns.h"
#include "text/token_index.h"

namespace sambay {
namespace {

constexpr std::string_view kModel = "tokenizer.ggml.model", kPre = "tokenizer.ggml.pre",
                           kTokens = "tokenizer.ggml.tokens", kTypes = "tokenizer.ggml.token_type",
                           kMerges = "tokenizer.ggml.merges", kBos = "tokenizer.ggml.bos_token_id",
                           kEos = "tokenizer.ggml.eos_token_id", kEot = "tokenizer.ggml.eot_token_id",
                           kPad = "tokenizer.ggml.padding_token_id", kAddBos = "tokenizer.ggml.add_bos_token",
                           kTemplate = "tokenizer.chat_template", kPattern = "sambay.tokenizer.pattern",
                           kMergeIds = "sambay.tokenizer.merge_ids", kRstrip = "sambay.tokenizer.rstrip_ids",
                           kLstrip = "sambay.tokenizer.lstrip_ids", kStop = "sambay.tokenizer.stop_ids",
                           kIgnoreMerges = "sambay.tokenizer.ignore_merges";

enum TokenType : int { kNormal = 1, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6 };

tl::unexpected<Error> corrupt(std::string message) { return fail(ErrorCode::corrupt, std::move(message)); }

std::string quoted(std::string_view token) { return fmt::format("\"{}\"", printable(token)); }

Result<void> read_tokens(const GgufReader& gguf, TokenizerData& data) {
  const auto texts = gguf.strings(kTokens);
  if (!texts) return tl::unexpected(texts.error());
  if (texts->size() > kMaxTokenIds)
    return fail(ErrorCode::unsupported,
                fmt::format("{}: {} tokens; at most {} are allowed", kTokens, texts->size(), kMaxTokenIds));
  const auto types = gguf.integers(kTypes);
  if (!types) return tl::unexpected(types.error());
  if (types->size() != texts->size())
    return corrupt(fmt::format("{}: {} types for {} tokens", kTypes, types->size(), texts->size()));
  data.tokens.resize(texts->size());
  for (size_t id = 0; id < texts->size(); id++) {
    const std::string_view text = (*texts)[id];
    const int64_t type = (*types)[id];
    if (type == kNormal || type == kByte) {
      if (!from_byte_alphabet(text, data.tokens[id]))
        return corrupt(
            fmt::format("{}[{}]: {} has a character that stands for no byte", kTokens, id, quoted(text)));
    } else if (type == kControl || type == kUserDefined) {
      data.tokens[id] = text;
      data.added.push_back({static_cast<TokenId>(id), data.tokens[id], false, false, type == kControl});
    } else if (type != kUnused) {
      return corrupt(fmt::format("{}[{}]: {} is no known type; 1, 3, 4, 5 and 6 are", kTypes, id, type));
    }
  }
  return {};
}

Result<void> read_merge_ids(const GgufReader& gguf, TokenizerData& data) {
  const auto ids = gguf.integers(kMergeIds);
  if (!ids) return tl::unexpected(ids.error());
  if (ids->size() % 3 != 0) return corrupt(fmt::format("{}: {} is no multiple of 3", kMergeIds, ids->size()));
  const auto limit = static_cast<int64_t>(data.tokens.size());
  data.merges.reserve(ids->size() / 3);
  for (size_t i = 0; i < ids->size(); i += 3) {
    const int64_t* merge = ids->data() + i;
    for (size_t k = 0; k < 3; k++)
      if (merge[k] < 0 || merge[k] >= limit)
        return corrupt(fmt::format("{}[{}]: {} is no token id", kMergeIds, i + k, merge[k]));
    data.merges.push_back(
        {static_cast<TokenId>(merge[0]), static_cast<TokenId>(merge[1]), static_cast<TokenId>(merge[2])});
  }
  return {};
}

/// Merges as text, for files that other programs wrote.
Result<void> read_merge_texts(const GgufReader& gguf, TokenizerData& data) {
  const auto merges = gguf.strings(kMerges);
  if (!merges) return tl::unexpected(merges.error());
  TokenIndex index(data.tokens.size());
  for (size_t id = 0; id < data.tokens.size(); id++) {
    if (!data.tokens[id].empty() && !index.insert(data.tokens[id], static_cast<TokenId>(id)))
      return corrupt(fmt::format("{}[{}]: {} appears twice", kTokens, id, quoted(data.tokens[id])));
  }
  data.merges.reserve(merges->size());
  std::string left, right;
  for (size_t i = 0; i < merges->size(); i++) {
    const std::string_view text = (*merges)[i];
    const size_t space = text.find(' ');
    left.clear();
    right.clear();
    if (space == std::string_view::npos || !from_byte_alphabet(text.substr(0, space), left) ||
        !from_byte_alphabet(text.substr(space + 1), right))
      return corrupt(
          fmt::format("{}[{}]: {} is not two tokens with one space between them", kMerges, i, quoted(text)));
    const TokenizerData::Merge merge{index.find(left), index.find(right), index.find(left + right)};
    if (merge.left < 0 || merge.right < 0 || merge.merged < 0)
      return corrupt(fmt::format("{}[{}]: {} joins or makes a token that is not in {}", kMerges, i,
                                 quoted(text), kTokens));
    data.merges.push_back(merge);
  }
  return {};
}

Result<void> read_pattern(const GgufReader& gguf, TokenizerData& data) {
  if (gguf.has(kPattern)) {
    const auto pattern = gguf.string(kPattern);
    if (!pattern) return tl::unexpected(pattern.error());
    data.pattern = *pattern;
    return {};
  }
  const auto pre = gguf.string(kPre);
  if (!pre) return tl::unexpected(pre.error());
  if (*pre != "gpt-4o")
    return fail(ErrorCode::unsupported, fmt::format("{}: \"{}\" and no {}; only \"gpt-4o\" is known by name",
                                                    kPre, printable(*pre), kPattern));
  data.pattern = kO200kPattern;
  return {};
}

/// An optional list of token ids; a number counts as a list of one.
Result<std::vector<TokenId>> read_ids(const GgufReader& gguf, std::string_view key, const TokenizerData& data,
                                      bool is_list) {
  std::vector<TokenId> ids;
  if (!gguf.has(key)) return ids;
  std::vector<int64_t> values;
  if (is_list) {
    auto list = gguf.integers(key);
    if (!list) return tl::unexpected(list.error());
    values = *std::move(list);
  } else {
    const auto value = gguf.integer(key);
    if (!value) return tl::unexpected(value.error());
    values.push_back(*value);
  }
  for (const int64_t value : values) {
    if (value < 0 || value >= static_cast<int64_t>(data.tokens.size()))
      return corrupt(fmt::format("{}: {} is no token id", key, value));
    ids.push_back(static_cast<TokenId>(value));
  }
  return ids;
}

Result<void> read_strips(const GgufReader& gguf, std::string_view key, bool AddedToken::* strip,
                         TokenizerData& data) {
  const auto ids = read_ids(gguf, key, data, true);
  if (!ids) return tl::unexpected(ids.error());
  for (const TokenId id : *ids) {
    const auto token = std::lower_bound(data.added.begin(), data.added.end(), id,
                                        [](const AddedToken& t, TokenId value) { return t.id < value; });
    if (token == data.added.end() || token->id != id)
      return corrupt(fmt::format("{}: {} is no token of type 3 or 4", key, id));
    (*token).*strip = true;
  }
  return {};
}

Result<void> read_special_ids(const GgufReader& gguf, TokenizerData& data) {
  std::optional<TokenId> eot;
  for (const auto& [key, field] :
       {std::pair{kBos, &data.bos_id}, {kEos, &data.eos_id}, {kPad, &data.pad_id}, {kEot, &eot}}) {
    const auto id = read_ids(gguf, key, data, false);
    if (!id) return tl::unexpected(id.error());
    if (!id->empty()) *field = id->front();
  }
  auto stop_ids = read_ids(gguf, kStop, data, true);
  if (!stop_ids) return tl::unexpected(stop_ids.error());
  data.stop_ids = *std::move(stop_ids);
  if (!gguf.has(kStop)) {
    if (eot) data.stop_ids.push_back(*eot);
    if (data.eos_id && data.eos_id != eot) data.stop_ids.push_back(*data.eos_id);
  }
  return {};
}

/// An optional boolean; absent means false.
Result<bool> read_flag(const GgufReader& gguf, std::string_view key) {
  if (!gguf.has(key)) return false;
  return gguf.boolean(key);
}

/// The text by id that a file holds, for all `count` rows, and the type of each.
std::pair<std::vector<std::string>, std::vector<int32_t>> token_texts(const TokenizerData& data,
                                                                      size_t count) {
  std::vector<std::string> texts(count);
  std::vector<int32_t> types(count, kUnused);
  for (size_t id = 0; id < data.tokens.size(); id++) {
    if (data.tokens[id].empty()) continue;
    texts[id] = to_byte_alphabet(data.tokens[id]);
    types[id] = kNormal;
  }
  for (const AddedToken& token : data.added) {
    texts[token.id] = token.content;
    types[token.id] = token.special ? kControl : kUserDefined;
  }
  for (size_t id = 0; id < count; id++)
    if (types[id] == kUnused) texts[id] = fmt::format("[PAD{}]", id);
  return {std::move(texts), std::move(types)};
}

}  // namespace

Result<TokenizerData> read_gguf_tokenizer(const GgufReader& gguf) {
  if (!gguf.has(kModel) && !gguf.has(kTokens)) return fail(ErrorCode::not_found, "has no tokenizer");
  const auto model = gguf.string(kModel);
  if (!model) return tl::unexpected(model.error());
  if (*model != "gpt2")
    return fail(ErrorCode::unsupported, fmt::format("{}: \"{}\"; only \"gpt2\" (byte-level BPE) is known",
                                                    kModel, printable(*model)));
  const auto add_bos = read_flag(gguf, kAddBos);
  if (!add_bos) return tl::unexpected(add_bos.error());
  if (*add_bos) return fail(ErrorCode::unsupported, fmt::format("{} is true; only false is known", kAddBos));
  TokenizerData data;
  SAMBAY_TRY_VOID(read_tokens(gguf, data));
  SAMBAY_TRY_VOID(gguf.has(kMergeIds) ? read_merge_ids(gguf, data) : read_merge_texts(gguf, data));
  SAMBAY_TRY_VOID(read_pattern(gguf, data));
  SAMBAY_TRY_VOID(read_special_ids(gguf, data));
  SAMBAY_TRY_VOID(read_strips(gguf, kRstrip, &AddedToken::rstrip, data));
  SAMBAY_TRY_VOID(read_strips(gguf, kLstrip, &AddedToken::lstrip, data));
  const auto ignore_merges = read_flag(gguf, kIgnoreMerges);
  if (!ignore_merges) return tl::unexpected(ignore_merges.error());
  data.ignore_merges = *ignore_merges;
  if (gguf.has(kTemplate)) {
    const auto text = gguf.string(kTemplate);
    if (!text) return tl::unexpected(text.error());
    data.chat_template = std::string(*text);
  }
  return data;
}

std::vector<GgufEntry> tokenizer_to_gguf(const TokenizerData& data, int vocab) {
  auto [texts, types] =
      token_texts(data, std::max(data.tokens.size(), static_cast<size_t>(std::max(vocab, 0))));
  std::vector<std::string> merges;
  std::vector<int32_t> merge_ids, rstrip, lstrip;
  merges.reserve(data.merges.size());
  merge_ids.reserve(data.merges.size() * 3);
  for (const auto& [left, right, merged] : data.merges) {
    merges.push_back(to_byte_alphabet(data.tokens[left]) + " " + to_byte_alphabet(data.tokens[right]));
    merge_ids.insert(merge_ids.end(), {left, right, merged});
  }
  for (const AddedToken& token : data.added) {
    if (token.rstrip) rstrip.push_back(token.id);
    if (token.lstrip) lstrip.push_back(token.id);
  }

  std::vector<GgufEntry> entries;
  const auto put = [&](std::string_view key, GgufValue value) {
    entries.push_back({std::string(key), std::move(value)});
  };
  const auto put_id = [&](std::string_view key, std::optional<TokenId> id) {
    if (id) put(key, static_cast<uint32_t>(*id));
  };
  const auto put_ids = [&](std::string_view key, std::vector<int32_t> ids) {
    if (!ids.empty()) put(key, std::move(ids));
  };
  put(kModel, std::string("gpt2"));
  put(kPre, std::string(data.pattern == kO200kPattern ? "gpt-4o" : "sambay"));
  put(kTokens, std::move(texts));
  put(kTypes, std::move(types));
  put(kMerges, std::move(merges));
  put_id(kBos, data.bos_id);
  put_id(kEos, data.eos_id);
  const auto eot =
      std::find_if(data.stop_ids.begin(), data.stop_ids.end(), [&](TokenId id) { return data.eos_id != id; });
  if (eot != data.stop_ids.end()) put_id(kEot, *eot);
  put_id(kPad, data.pad_id);
  put(kAddBos, false);
  if (data.chat_template) put(kTemplate, *data.chat_template);
  put(kPattern, data.pattern);
  put(kMergeIds, std::move(merge_ids));
  put_ids(kRstrip, std::move(rstrip));
  put_ids(kLstrip, std::move(lstrip));
  put_ids(kStop, data.stop_ids);
  if (data.ignore_merges) put(kIgnoreMerges, true);
  return entries;
}

}  // namespace sambay
