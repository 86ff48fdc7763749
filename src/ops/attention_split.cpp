#include "ops/attention_split.h"

#include <algorithm>

namespace sambay {
namespace {

constexpr int64_t kShortestChunk = 4 * kPageTokens;
constexpr int64_t kMostChunks = 32;

// With so many calls per thread, none waits long for another's last one.
constexpr int64_t kCallsPerThread = 4;

/// Rows of one call: many, since each page is decoded once for all of them; fewer where that would leave
/// threads idle.
int rows_per_call(int64_t rows, int units, int threads) {
  int most = kAttentionRows;
  while (most > 1 && rows * units < kCallsPerThread * threads * most) most /= 2;
  return most;
}

/// The chunk whose beginning is nearest to a page of the block, counted from its first; last_chunk: the end.
/// A unit may be cut between chunks where the sums fit that a thread keeps apart.
int64_t nearest_cut(const AttentionBlock& block, int64_t page) {
  if (block.rows * (block.last_chunk - block.first_chunk) > kAttentionApart)
    return page * 2 < block.pages ? block.first_chunk : block.last_chunk;
  const int64_t chunk_pages = block.chunk_tokens / kPageTokens;
  const int64_t chunk = (block.first_page + page) / chunk_pages;
  const int64_t begin = std::max(int64_t{0}, chunk * chunk_pages - block.first_page);
  const int64_t end = std::min(block.pages, (chunk + 1) * chunk_pages - block.first_page);
  return page - begin < end - page ? chunk : chunk + 1;
}

}  // namespace

int64_t attention_chunk_tokens(int64_t seen) {
  int64_t tokens = kShortestChunk;
  while (tokens * kMostChunks < seen) tokens *= 2;
  return tokens;
}

void AttentionSplit::assign(const Batch& batch, RowIndex picked, int window, int units, int threads) {
  blocks_.clear();
  rows_ = 0, units_ = units, threads_ = threads;
  const int64_t count = picked.empty() ? static_cast<int64_t>(batch.tokens.size()) : std::ssize(picked);
  const int most = rows_per_call(count, units, threads);
  for (const SeqRows& s : batch.sequences) {
    // Runs of neighbouring rows.
    int begin = 0;
    while (begin < s.row_count) {
      const auto is_wanted = [&](int row, int64_t index) {
        return row < s.row_count &&
               (picked.empty() || (index < std::ssize(picked) && picked[index] == s.first_row + row));
      };
      int end = begin;
      while (is_wanted(end, rows_ + end - begin)) end++;
      add_rows(s, s.position + begin, rows_, end - begin, window, most);
      rows_ += end - begin;
      begin = end + 1;
    }
  }
  work_before_.assign(1, 0);
  for (const AttentionBlock& block : blocks_)
    work_before_.push_back(work_before_.back() + block.pages * block.rows);
}

void AttentionSplit::add_rows(const SeqRows& sequence, int position, int64_t first_row, int count, int window,
                              int most) {
  const auto chunk_tokens = [window](int at) { return attention_chunk_tokens(window > 0 ? window : at + 1); };
  while (count > 0) {
    AttentionBlock block;
    block.sequence = &sequence;
    block.first_row = first_row, block.position = position;
    block.chunk_tokens = chunk_tokens(position);
    while (block.rows < std::min(count, most) && chunk_tokens(position + block.rows) == block.chunk_tokens)
      block.rows++;
    const int oldest = window > 0 ? std::max(0, position - window + 1) : 0,
              newest = position + block.rows - 1;
    block.first_chunk = oldest / block.chunk_tokens, block.last_chunk = newest / block.chunk_tokens + 1;
    block.first_page = oldest / kPageTokens, block.pages = newest / kPageTokens + 1 - block.first_page;
    blocks_.push_back(block);
    first_row += block.rows, position += block.rows, count -= block.rows;
  }
}

AttentionPlace AttentionSplit::begin_of(int thread) const {
  const int64_t target = work_before_.back() * units_ * thread / threads_;
  AttentionPlace place;
  place.block =
      static_cast<size_t>(std::upper_bound(work_before_.begin() + 1, work_before_.end(), target / units_) -
                          work_before_.begin() - 1);
  if (place.block == blocks_.size()) return place;
  const AttentionBlock& block = blocks_[place.block];
  const int64_t work = block.pages * block.rows, rest = target - work_before_[place.block] * units_;
  place.unit = static_cast<int>(rest / work);
  place.chunk = nearest_cut(block, rest % work / block.rows);
  return place.chunk < block.last_chunk ? place : unit_after(place);
}

AttentionPlace AttentionSplit::unit_after(AttentionPlace place) const {
  if (++place.unit == units_) place.unit = 0, place.block++;
  place.chunk = place.block < blocks_.size() ? blocks_[place.block].first_chunk : 0;
  return place;
}

}  // namespace sambay
