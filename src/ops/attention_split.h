// How attention is split over threads: which rows one kernel call takes, and which chunks of their positions.
#pragma once

#include <compare>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/cpu/kernel_table.h"
#include "ops/ops.h"

namespace sambay {

static_assert(kAttentionPage == kPageTokens);

/// Chunks of a row that one thread may keep apart for another to add up. That bounds the memory of a split.
inline constexpr int kAttentionApart = 48;

/// Positions of a chunk for a row that sees `seen` of them: a question of the row alone, so that its sums are
/// cut at the same places whoever computes them. At most 32 chunks, one more where they begin inside of one.
int64_t attention_chunk_tokens(int64_t seen);

/// Neighbouring rows of one sequence that see their keys in the same chunks.
struct AttentionBlock {
  const SeqRows* sequence = nullptr;
  int64_t first_row = 0;  ///< of the queries
  int rows = 0;
  int position = 0;  ///< of the first row
  int64_t chunk_tokens = 0, first_chunk = 0, last_chunk = 0;
  int64_t first_page = 0, pages = 0;  ///< that any of the rows sees
};

/// A place in the order of work: the blocks, of each the units, of each the chunks.
struct AttentionPlace {
  size_t block = 0;
  int unit = 0;
  int64_t chunk = 0;  ///< first_chunk: where the unit begins

  bool is_in_unit_of(const AttentionPlace& other) const { return block == other.block && unit == other.unit; }
  auto operator<=>(const AttentionPlace&) const = default;
};

/// The work of one op, cut into contiguous parts of nearly equal size, one per thread. Where a cut is never
/// changes bits.
class AttentionSplit {
 public:
  /// The rows of a batch that were picked (RowIndex; empty: all).
  void assign(const Batch& batch, RowIndex picked, int window, int units, int threads);

  int64_t row_count() const { return rows_; }
  int units() const { return units_; }
  const std::vector<AttentionBlock>& blocks() const { return blocks_; }
  /// Where the part of a thread begins; that of thread `threads` is the end.
  AttentionPlace begin_of(int thread) const;
  AttentionPlace unit_after(AttentionPlace place) const;

 private:
  void add_rows(const SeqRows& sequence, int position, int64_t first_row, int count, int window, int most);
  std::vector<AttentionBlock> blocks_;
  std::vector<int64_t> work_before_;  // per block, in pages times rows, of one unit; one more for the end
  int64_t rows_ = 0;
  int units_ = 0, threads_ = 1;
};

/// Floats that a thread needs beside kernel scratch: sums of the rows at hand, and those kept apart.
inline int64_t attention_thread_floats(int64_t pairs, int64_t head_dim) {
  return attention_scratch_floats(pairs, head_dim) +
         (kAttentionRows + kAttentionApart) * attention_sum_floats(pairs, head_dim);
}

}  // namespace sambay
