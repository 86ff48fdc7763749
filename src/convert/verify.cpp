#include "convert/verify.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/release_pages.h"
#include "base/running_hash.h"
#include "formats/checkpoint.h"
#include "formats/quality_card.h"

namespace sambay {
namespace {

constexpr size_t kPieceBytes = size_t{4} << 20;

tl::unexpected<Error> differs(std::string_view what) {
  return fail(ErrorCode::io,
              fmt::format("{} is not what was written; the disk or the memory may be faulty", what));
}

bool same_tokenizer(const TokenizerData& a, const TokenizerData& b) {
  const auto same_merge = [](const TokenizerData::Merge& x, const TokenizerData::Merge& y) {
    return x.left == y.left && x.right == y.right && x.merged == y.merged;
  };
  const auto same_added = [](const AddedToken& x, const AddedToken& y) {
    return x.id == y.id && x.content == y.content && x.rstrip == y.rstrip && x.lstrip == y.lstrip &&
           x.special == y.special;
  };
  // A GGUF pads the list of tokens to the rows of the embedding.
  const size_t common = std::min(a.tokens.size(), b.tokens.size());
  const auto rest_is_empty = [&](const TokenizerData& data) {
    return std::all_of(data.tokens.begin() + static_cast<std::ptrdiff_t>(common), data.tokens.end(),
                       [](const std::string& token) { return token.empty(); });
  };
  return std::equal(a.tokens.begin(), a.tokens.begin() + static_cast<std::ptrdiff_t>(common),
                    b.tokens.begin()) &&
         rest_is_empty(a) && rest_is_empty(b) &&
         std::equal(a.merges.begin(), a.merges.end(), b.merges.begin(), b.merges.end(), same_merge) &&
         std::equal(a.added.begin(), a.added.end(), b.added.begin(), b.added.end(), same_added) &&
         a.pattern == b.pattern && a.ignore_merges == b.ignore_merges && a.chat_template == b.chat_template &&
         a.stop_ids == b.stop_ids && a.bos_id == b.bos_id && a.eos_id == b.eos_id && a.pad_id == b.pad_id;
}

Result<void> check_tokenizer(const Checkpoint& file, const GgufExpectation& expected) {
  const auto tokenizer = load_tokenizer_data(file);
  if (!expected.tokenizer) {
    if (tokenizer || tokenizer.error().code != ErrorCode::not_found) return differs("the tokenizer");
    return {};
  }
  if (!tokenizer) return tl::unexpected(tokenizer.error());
  return same_tokenizer(*tokenizer, *expected.tokenizer) ? Result<void>{} : differs("the tokenizer");
}

Result<void> check_card(const Checkpoint& file, const GgufExpectation& expected) {
  if (file.gguf().has(kCardKey) != expected.card.has_value()) return differs("the quality card");
  if (!expected.card) return {};
  const auto text = file.gguf().string(kCardKey);
  return text && *text == *expected.card ? Result<void>{} : differs("the quality card");
}

Result<void> check_tensor(const TensorView& view, uint64_t expected, const VerifyCallbacks& callbacks,
                          int64_t& done_bytes) {
  RunningHash checksum;
  for (size_t first = 0; first < view.bytes.size(); first += kPieceBytes) {
    if (callbacks.should_stop && callbacks.should_stop())
      return fail(ErrorCode::cancelled, "interrupted; nothing was written");
    const auto piece = view.bytes.subspan(first, std::min(kPieceBytes, view.bytes.size() - first));
    checksum.update(piece);
    release_pages(piece);
    done_bytes += static_cast<int64_t>(piece.size());
    if (callbacks.progress) callbacks.progress(done_bytes, view.name);
  }
  return checksum.digest() == expected ? Result<void>{} : differs("tensor " + view.name);
}

}  // namespace

Result<int64_t> verify_gguf(const std::string& path, const GgufExpectation& expected,
                            const VerifyCallbacks& callbacks) {
  SAMBAY_TRY(const Checkpoint file, Checkpoint::open(path), "opening");
  SAMBAY_TRY(const SambaYConfig config, load_sambay_config(file), "reading the configuration");
  if (!(config == expected.config)) return differs("the configuration");
  SAMBAY_TRY_VOID(check_tokenizer(file, expected));
  SAMBAY_TRY_VOID(check_card(file, expected));
  if (file.tensors().size() != expected.tensors.size()) return differs("the tensor table");
  int64_t done_bytes = 0;
  for (size_t i = 0; i < expected.tensors.size(); i++) {
    const GgufTensor& wanted = expected.tensors[i];
    const TensorView* view = file.find(wanted.name);
    if (view == nullptr || view->type != wanted.type || view->shape != wanted.shape)
      return differs("the table entry of tensor " + wanted.name);
    SAMBAY_TRY_VOID(check_tensor(*view, expected.checksums[i], callbacks, done_bytes));
  }
  return file.file_bytes();
}

}  // namespace sambay
