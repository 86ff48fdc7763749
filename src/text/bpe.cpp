#include "text/bpe.h"

#include <algorithm>
#include <bit>
#include <functional>

#include "base/check.h"

namespace sambay {
namespace {

constexpr int kIdBits = 20, kRankBits = 24;
static_assert(kMaxTokenIds <= (1 << kIdBits) - 1, "an id of all ones marks an empty slot");
static_assert(kMaxMerges <= (1 << kRankBits));
constexpr uint64_t kEmpty = UINT64_MAX;
constexpr uint32_t kEnd = UINT32_MAX;  // no neighbour

/// Up to this many bytes a linear search for the best pair is faster than a heap.
constexpr size_t kShortWord = 64;

uint64_t pair_key(TokenId left, TokenId right) {
  return (static_cast<uint64_t>(left) << kIdBits) | static_cast<uint64_t>(right);
}

}  // namespace

MergeTable::MergeTable(size_t expected)
    : slots_(std::bit_ceil(std::max<size_t>(2, expected * 2)), kEmpty),
      shift_(64 - std::countr_zero(slots_.size())) {}

bool MergeTable::insert(TokenId left, TokenId right, uint32_t rank) {
  const uint64_t pair = pair_key(left, right);
  for (size_t slot = first_slot(pair);; slot = (slot + 1) & (slots_.size() - 1)) {
    if (slots_[slot] == kEmpty) {
      slots_[slot] = (pair << kRankBits) | rank;
      return true;
    }
    if (slots_[slot] >> kRankBits == pair) return false;
  }
}

uint32_t MergeTable::rank(TokenId left, TokenId right) const {
  const uint64_t pair = pair_key(left, right);
  for (size_t slot = first_slot(pair);; slot = (slot + 1) & (slots_.size() - 1)) {
    const uint64_t entry = slots_[slot];
    if (entry >> kRankBits == pair) return static_cast<uint32_t>(entry & ((1u << kRankBits) - 1));
    if (entry == kEmpty) return kNoRank;
  }
}

void PairQueue::clear() {
  sorted_.clear();
  taken_ = 0;
  heap_.clear();
}

void PairQueue::push(uint32_t rank, uint32_t position) {
  heap_.push_back((static_cast<uint64_t>(rank) << 32) | position);
  std::push_heap(heap_.begin(), heap_.end(), std::greater<>());
}

std::optional<PairQueue::Pair> PairQueue::pop() {
  if (taken_ == sorted_.size()) {
    if (heap_.empty()) return std::nullopt;
    sorted_.swap(heap_);
    heap_.clear();
    taken_ = 0;
    if (!std::is_sorted(sorted_.begin(), sorted_.end())) std::sort(sorted_.begin(), sorted_.end());
  }
  uint64_t entry = sorted_[taken_];
  if (!heap_.empty() && heap_.front() < entry) {
    entry = heap_.front();
    std::pop_heap(heap_.begin(), heap_.end(), std::greater<>());
    heap_.pop_back();
  } else {
    taken_++;
  }
  return Pair{static_cast<uint32_t>(entry >> 32), static_cast<uint32_t>(entry)};
}

Bpe::Bpe(MergeTable table, std::span<const TokenizerData::Merge> merges,
         std::span<const TokenId, 256> byte_ids)
    : table_(std::move(table)) {
  merged_.reserve(merges.size());
  for (const auto& merge : merges) merged_.push_back(merge.merged);
  std::copy(byte_ids.begin(), byte_ids.end(), byte_ids_);
}

std::optional<size_t> Bpe::encode(std::string_view word, Scratch& scratch, std::vector<TokenId>& out) const {
  SAMBAY_CHECK(word.size() <= size_t{1} << 31, "positions are 32-bit");
  const bool is_short = word.size() <= kShortWord;
  std::vector<TokenId>& ids = is_short ? out : scratch.ids;
  if (!is_short) ids.clear();
  const size_t first = ids.size();
  for (size_t i = 0; i < word.size(); i++) {
    const TokenId id = byte_ids_[static_cast<unsigned char>(word[i])];
    if (id < 0) return i;
    ids.push_back(id);
  }
  if (is_short) {
    merge_short(out, first);
  } else {
    merge_long(scratch, out);
  }
  return std::nullopt;
}

void Bpe::merge_short(std::vector<TokenId>& ids, size_t first) const {
  TokenId* word = ids.data() + first;
  size_t count = ids.size() - first;
  uint32_t ranks[kShortWord];  // ranks[i]: of the pair (i, i + 1)
  for (size_t i = 0; i + 1 < count; i++) ranks[i] = table_.rank(word[i], word[i + 1]);

  while (count > 1) {
    const size_t best = static_cast<size_t>(std::min_element(ranks, ranks + count - 1) - ranks);
    if (ranks[best] == MergeTable::kNoRank) break;
    word[best] = merged_[ranks[best]];
    std::move(word + best + 2, word + count, word + best + 1);
    std::move(ranks + best + 1, ranks + count - 1,
              ranks + best);  // the pair that was merged has none any more
    count--;
    if (best > 0) ranks[best - 1] = table_.rank(word[best - 1], word[best]);
    if (best + 1 < count) ranks[best] = table_.rank(word[best], word[best + 1]);
  }
  ids.resize(first + count);
}

void Bpe::merge_long(Scratch& s, std::vector<TokenId>& out) const {
  const auto count = static_cast<uint32_t>(s.ids.size());
  s.ranks.resize(count);  // of the pair that begins here
  s.next.resize(count);
  s.previous.resize(count);
  for (uint32_t i = 0; i < count; i++) {
    s.next[i] = i + 1 < count ? i + 1 : kEnd;
    s.previous[i] = i > 0 ? i - 1 : kEnd;
  }
  // The queue may also hold pairs that are no more: their rank is not that of their position.
  s.pairs.clear();
  const auto rank_again = [&](uint32_t at) {
    const uint32_t right = s.next[at];
    s.ranks[at] = right == kEnd ? MergeTable::kNoRank : table_.rank(s.ids[at], s.ids[right]);
    if (s.ranks[at] != MergeTable::kNoRank) s.pairs.push(s.ranks[at], at);
  };
  for (uint32_t i = 0; i < count; i++) rank_again(i);
  while (const auto pair = s.pairs.pop()) {
    const auto [rank, at] = *pair;
    if (s.ranks[at] != rank) continue;
    const uint32_t gone = s.next[at];
    s.ids[at] = merged_[rank];
    s.ranks[gone] = MergeTable::kNoRank;
    s.next[at] = s.next[gone];
    if (s.next[at] != kEnd) s.previous[s.next[at]] = at;
    rank_again(at);
    if (s.previous[at] != kEnd) rank_again(s.previous[at]);
  }
  for (uint32_t i = 0; i != kEnd; i = s.next[i]) out.push_back(s.ids[i]);
}

}  // namespace sambay
