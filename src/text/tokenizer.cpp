// Encoding and decoding with a Tokenizer.
#include <fmt/format.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <nlohmann/json.hpp>

#include "base/mapped_file.h"
#include "base/utf8.h"
#include "text/tokenizer_impl.h"

namespace sambay {
namespace {

constexpr size_t kMaxTextBytes = size_t{1} << 30;

/// Where the ids of words seen in this call lie in its own output. Direct-mapped: a new word replaces an old
/// one.
class WordCache {
 public:
  static constexpr size_t kMaxWordBytes = 64;
  struct Entry {
    const char* word = nullptr;
    uint32_t size = 0;
    uint32_t count = 0, first = 0;  // ids
  };

  explicit WordCache(size_t text_bytes)
      : entries_(std::bit_ceil(std::clamp<size_t>(text_bytes / 16, 16, 16384))) {}
  Entry& slot(std::string_view word) {
    return entries_[XXH3_64bits(word.data(), word.size()) & (entries_.size() - 1)];
  }

 private:
  std::vector<Entry> entries_;
};

/// One call of encode().
class Encoder {
 public:
  Encoder(const Tokenizer::Impl& impl, std::string_view text)
      : impl_(impl), text_(text), splitter_(impl.pretokenizer, text.size()), cache_(text.size()) {
    ids_.reserve(text.size() / 4 + 16);
  }

  Result<void> plain(size_t first, size_t last);
  Result<void> with_added_tokens();
  std::vector<TokenId> take() { return std::move(ids_); }

 private:
  Result<void> characters(std::string_view run);
  Result<void> word(std::string_view word);
  Result<void> bytes(std::string_view bytes);
  size_t offset(const char* at) const { return static_cast<size_t>(at - text_.data()); }

  const Tokenizer::Impl& impl_;
  std::string_view text_;
  WordSplitter splitter_;
  WordCache cache_;
  Bpe::Scratch scratch_;
  std::vector<TokenId> ids_;
};

Result<void> missing_byte(char byte, size_t offset) {
  return fail(ErrorCode::invalid_argument,
              fmt::format("byte {:#04x} at offset {} of the text has no token in this vocabulary",
                          static_cast<unsigned char>(byte), offset));
}

/// A part without added tokens: valid stretches by words, everything else byte by byte.
Result<void> Encoder::plain(size_t first, size_t last) {
  std::string_view rest = text_.substr(first, last - first);
  while (!rest.empty()) {
    const size_t valid = valid_utf8_prefix(rest);
    if (valid > 0) {
      SAMBAY_TRY_VOID(characters(rest.substr(0, valid)));
      rest.remove_prefix(valid);
      continue;
    }
    const auto length = static_cast<size_t>(utf8_step(rest).length);
    SAMBAY_TRY_VOID(bytes(rest.substr(0, length)));
    rest.remove_prefix(length);
  }
  return {};
}

Result<void> Encoder::characters(std::string_view run) {
  for (size_t start = 0; start < run.size();) {
    const Result<size_t> end = splitter_.word_end(run, start);
    if (!end)
      return fail(end.error().code,
                  fmt::format("at byte {}: {}", offset(run.data() + start), end.error().message));
    SAMBAY_TRY_VOID(word(run.substr(start, *end - start)));
    start = *end;
  }
  return {};
}

Result<void> Encoder::word(std::string_view word) {
  const bool cached = word.size() <= WordCache::kMaxWordBytes;
  WordCache::Entry* entry = cached ? &cache_.slot(word) : nullptr;
  if (cached && std::string_view(entry->word, entry->size) == word) {
    ids_.resize(ids_.size() + entry->count);
    std::copy_n(ids_.begin() + entry->first, entry->count, ids_.end() - entry->count);
    return {};
  }
  const size_t first = ids_.size();
  const TokenId whole = impl_.whole_words ? impl_.whole_words->find(word) : TokenIndex::kNone;
  if (whole != TokenIndex::kNone) {
    ids_.push_back(whole);
  } else if (const auto missing = impl_.bpe.encode(word, scratch_, ids_)) {
    return missing_byte(word[*missing], offset(word.data() + *missing));
  }
  if (cached) {
    *entry = {word.data(), static_cast<uint32_t>(word.size()), static_cast<uint32_t>(ids_.size() - first),
              static_cast<uint32_t>(first)};
  }
  return {};
}

Result<void> Encoder::bytes(std::string_view bytes) {
  for (const char& byte : bytes) {
    const TokenId id = impl_.bpe.byte_id(static_cast<unsigned char>(byte));
    if (id < 0) return missing_byte(byte, offset(&byte));
    ids_.push_back(id);
  }
  return {};
}

Result<void> Encoder::with_added_tokens() {
  size_t done = 0;
  while (const auto match = impl_.trie.find(text_, done)) {
    const AddedToken& token = impl_.added[static_cast<size_t>(match->index)];
    size_t end = match->start;
    if (token.lstrip) end -= trailing_white_space(text_.substr(done, end - done));
    SAMBAY_TRY_VOID(plain(done, end));
    ids_.push_back(token.id);
    done = match->end;
    if (token.rstrip) done += leading_white_space(text_.substr(done));
  }
  return plain(done, text_.size());
}

}  // namespace

Result<std::vector<TokenId>> Tokenizer::encode(std::string_view text, bool parse_special) const {
  if (text.size() > kMaxTextBytes)
    return fail(ErrorCode::invalid_argument,
                fmt::format("text of {} bytes; at most {} are encoded at once", text.size(), kMaxTextBytes));
  Encoder encoder(*impl_, text);
  SAMBAY_TRY_VOID(parse_special ? encoder.with_added_tokens() : encoder.plain(0, text.size()));
  return encoder.take();
}

std::string_view Tokenizer::bytes(TokenId id) const {
  if (id < 0 || id >= size()) return {};
  return impl_->tokens[static_cast<size_t>(id)];
}

std::string Tokenizer::decode(std::span<const TokenId> ids) const {
  std::string out;
  for (const TokenId id : ids) out += bytes(id);
  return out;
}

int Tokenizer::size() const { return static_cast<int>(impl_->tokens.size()); }
int Tokenizer::vocab() const { return impl_->vocab; }
bool Tokenizer::is_special(TokenId id) const { return impl_->has_flag(id, Impl::kSpecial); }
bool Tokenizer::strips_right(TokenId id) const { return impl_->has_flag(id, Impl::kStripsRight); }

std::optional<TokenId> Tokenizer::added_token(std::string_view content) const {
  const int index = impl_->trie.exact(content);
  if (index < 0) return std::nullopt;
  return impl_->added[static_cast<size_t>(index)].id;
}

Tokenizer::Tokenizer(std::unique_ptr<const Impl> impl) : impl_(std::move(impl)) {}
Tokenizer::~Tokenizer() = default;

namespace {

/// The vocabulary that the model states, so that a tokenizer of another model is refused here too; 0 when
/// that cannot be read, which is for whoever loads the model to report.
int stated_vocab(const Checkpoint& checkpoint) {
  int64_t vocab = 0;
  if (checkpoint.kind() == CheckpointKind::gguf) {
    vocab = checkpoint.gguf().integer("phi4flash.vocab_size").value_or(0);
  } else {
    const auto config = nlohmann::json::parse(checkpoint.text().config, nullptr, false);
    if (config.is_object() && config.contains("vocab_size") && config["vocab_size"].is_number_integer())
      vocab = config["vocab_size"].get<int64_t>();
  }
  return vocab > 0 && vocab <= kMaxTokenIds ? static_cast<int>(vocab) : 0;
}

}  // namespace

Result<std::unique_ptr<Tokenizer>> Tokenizer::open(const std::string& path) {
  // A tokenizer.json is told by its name or by how it begins; anything else is a model.
  if (!path.empty()) {
    const Result<MappedFile> file = MappedFile::open(path);
    if (file) {
      const auto bytes = file->bytes();
      const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      if (path.ends_with(".json") || text.starts_with('{')) {
        auto data = parse_tokenizer_json(text, path);
        if (!data) return tl::unexpected(std::move(data).error());
        return build_tokenizer(*std::move(data), path);
      }
    }
  }
  auto checkpoint = Checkpoint::open(path);
  if (!checkpoint) return tl::unexpected(std::move(checkpoint).error());
  auto data = load_tokenizer_data(*checkpoint);
  if (!data) return tl::unexpected(std::move(data).error());
  return build_tokenizer(*std::move(data), checkpoint->name(), stated_vocab(*checkpoint));
}

}  // namespace sambay
