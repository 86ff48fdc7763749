// Checks tokenizer data, whatever file it came from, and builds the encoder.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/printable.h"
#include "text/tokenizer_impl.h"

namespace sambay {
namespace {

tl::unexpected<Error> corrupt(std::string message) { return fail(ErrorCode::corrupt, std::move(message)); }

std::string quoted(std::string_view token) { return fmt::format("\"{}\"", printable(token)); }

Result<void> check_ids(const TokenizerData& data, int vocab) {
  if (data.tokens.empty()) return corrupt("the tokenizer has no tokens");
  if (data.tokens.size() > kMaxTokenIds)
    return fail(ErrorCode::unsupported,
                fmt::format("{} tokens; at most {} are allowed", data.tokens.size(), kMaxTokenIds));
  if (vocab > 0 && data.tokens.size() > static_cast<size_t>(vocab))
    return corrupt(fmt::format("token id {} ({}) is beyond the model's vocabulary of {}",
                               data.tokens.size() - 1, quoted(data.tokens.back()), vocab));
  const auto check = [&](TokenId id, const char* what) -> Result<void> {
    if (id >= 0 && static_cast<size_t>(id) < data.tokens.size() && !data.tokens[id].empty()) return {};
    return corrupt(fmt::format("{} token id {} is no token of this vocabulary", what, id));
  };
  for (const TokenId id : data.stop_ids) SAMBAY_TRY_VOID(check(id, "stop"));
  if (data.bos_id) SAMBAY_TRY_VOID(check(*data.bos_id, "bos"));
  if (data.eos_id) SAMBAY_TRY_VOID(check(*data.eos_id, "eos"));
  if (data.pad_id) SAMBAY_TRY_VOID(check(*data.pad_id, "padding"));
  return {};
}

Result<void> check_added(const TokenizerData& data) {
  std::vector<std::string_view> contents;
  for (const AddedToken& token : data.added) {
    const auto error = [&](std::string_view what) {
      return corrupt(fmt::format("added token {} (id {}) {}", quoted(token.content), token.id, what));
    };
    if (token.content.empty()) return error("is empty");
    if (token.content.size() > kMaxAddedTokenBytes)
      return error(
          fmt::format("is {} bytes long; at most {} are allowed", token.content.size(), kMaxAddedTokenBytes));
    if (token.id < 0 || static_cast<size_t>(token.id) >= data.tokens.size() ||
        data.tokens[token.id] != token.content)
      return error("is not the token of its id");
    contents.push_back(token.content);
  }
  std::sort(contents.begin(), contents.end());
  const auto twice = std::adjacent_find(contents.begin(), contents.end());
  if (twice != contents.end()) return corrupt(fmt::format("added token {} has two ids", quoted(*twice)));
  return {};
}

/// The flags of Tokenizer::Impl, by id.
std::vector<uint8_t> flags_of(const TokenizerData& data) {
  std::vector<uint8_t> flags(data.tokens.size());
  for (const AddedToken& token : data.added) {
    flags[token.id] =
        static_cast<uint8_t>(Tokenizer::Impl::kAdded | (token.special ? Tokenizer::Impl::kSpecial : 0) |
                             (token.rstrip ? Tokenizer::Impl::kStripsRight : 0) |
                             (token.lstrip ? Tokenizer::Impl::kStripsLeft : 0));
  }
  return flags;
}

Result<MergeTable> check_merges(const TokenizerData& data, std::span<const uint8_t> flags) {
  if (data.merges.size() > kMaxMerges)
    return fail(ErrorCode::unsupported,
                fmt::format("{} merges; at most {} are allowed", data.merges.size(), kMaxMerges));
  MergeTable table(data.merges.size());
  for (size_t i = 0; i < data.merges.size(); i++) {
    const auto& [left, right, merged] = data.merges[i];
    const auto error = [&, rank = i](std::string_view what) {
      return corrupt(fmt::format("merge {} {}", rank, what));
    };
    for (const TokenId id : {left, right, merged}) {
      if (id < 0 || static_cast<size_t>(id) >= data.tokens.size() || data.tokens[id].empty())
        return error(fmt::format("refers to id {}, which is no token", id));
    }
    const std::string_view whole = data.tokens[merged], begin = data.tokens[left], end = data.tokens[right];
    if (whole.size() != begin.size() + end.size() || !whole.starts_with(begin) || !whole.ends_with(end))
      return error(
          fmt::format("makes {}, which is not {} and {}", quoted(whole), quoted(begin), quoted(end)));
    // Else somebody who types the token's text would get the control token.
    if (flags[merged] & Tokenizer::Impl::kSpecial)
      return error(fmt::format("makes the special token {} out of plain text", quoted(whole)));
    if (!table.insert(left, right, static_cast<uint32_t>(i)))
      return error(fmt::format("({} and {}) is there already", quoted(begin), quoted(end)));
  }
  return table;
}

/// -1 for bytes without a token.
Result<std::array<TokenId, 256>> find_byte_tokens(const TokenizerData& data, std::span<const uint8_t> flags) {
  std::array<TokenId, 256> ids;
  ids.fill(-1);
  for (size_t id = 0; id < data.tokens.size(); id++) {
    if (data.tokens[id].size() != 1 || (flags[id] & Tokenizer::Impl::kAdded)) continue;
    TokenId& slot = ids[static_cast<unsigned char>(data.tokens[id][0])];
    if (slot >= 0) return corrupt(fmt::format("tokens {} and {} are the same byte", slot, id));
    slot = static_cast<TokenId>(id);
  }
  return ids;
}

}  // namespace

Tokenizer::Impl::Impl(TokenizerData data, std::vector<uint8_t> token_flags, Bpe the_bpe,
                      Pretokenizer the_pretokenizer)
    : tokens(std::move(data.tokens)),
      added(std::move(data.added)),
      flags(std::move(token_flags)),
      trie(added),
      bpe(std::move(the_bpe)),
      pretokenizer(std::move(the_pretokenizer)) {
  if (!data.ignore_merges) return;
  whole_words.emplace(tokens.size());
  for (size_t id = 0; id < tokens.size(); id++)
    if (!tokens[id].empty() && !has_flag(static_cast<TokenId>(id), kAdded))
      whole_words->insert(tokens[id], static_cast<TokenId>(id));
}

Result<std::unique_ptr<Tokenizer>> build_tokenizer(TokenizerData data, std::string_view name, int vocab) {
  const auto here = [&](Error error) { return tl::unexpected(std::move(error).during(name)); };
  while (!data.tokens.empty() && data.tokens.back().empty()) data.tokens.pop_back();
  if (auto ok = check_ids(data, vocab); !ok) return here(std::move(ok).error());
  if (auto ok = check_added(data); !ok) return here(std::move(ok).error());
  std::vector<uint8_t> flags = flags_of(data);
  SAMBAY_TRY(MergeTable table, check_merges(data, flags), name);
  const auto byte_ids = find_byte_tokens(data, flags);
  if (!byte_ids) return here(byte_ids.error());
  SAMBAY_TRY(Pretokenizer pretokenizer, Pretokenizer::compile(data.pattern), name);

  Bpe bpe(std::move(table), data.merges, *byte_ids);
  auto impl = std::make_unique<Tokenizer::Impl>(std::move(data), std::move(flags), std::move(bpe),
                                                std::move(pretokenizer));
  impl->vocab = std::max(vocab, static_cast<int>(impl->tokens.size()));
  return std::unique_ptr<Tokenizer>(new Tokenizer(std::move(impl)));
}

}  // namespace sambay
