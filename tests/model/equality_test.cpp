// One result whatever the company: the same bits for any chunking, thread count, batch, shortcut, resumption
// and fork. These hold because every sum has a fixed order; they are tested because someone will break it.
#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "kernels/cpu/kernels.h"
#include "support/golden_models.h"
#include "support/loaded_model.h"
#include "support/random.h"
#include "tensor/packed_weight.h"

namespace sambay {
namespace {

/// Bits, not values: -0 is not 0, and a NaN equals itself.
::testing::AssertionResult same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size())
    return ::testing::AssertionFailure() << a.size() << " and " << b.size() << " values";
  for (size_t i = 0; i < a.size(); i++)
    if (std::memcmp(&a[i], &b[i], sizeof(float)) != 0)
      return ::testing::AssertionFailure()
             << "value " << i << " of " << a.size() << ": " << a[i] << " and " << b[i];
  return ::testing::AssertionSuccess();
}

/// Slots and pages for several sequences, and batches over them.
class Pools {
 public:
  struct Sequence {
    SlotId slot;
    int position = 0;
    std::vector<PageId> pages;  // the same numbers in both groups
  };

  Pools(Model& model, DType kv, int sequences, int positions)
      : model_(model), pages_each_((positions + kPageTokens - 1) / kPageTokens) {
    memory_.slot_bytes = model.cache_spec().state_bytes;
    state_ = *Buffer::allocate(memory_.slot_bytes * sequences);
    memory_.slots = state_.data();
    for (size_t g = 0; g < model.cache_spec().kv.size(); g++) {
      page_bytes_.push_back(KvLayout(model.cache_spec().kv[g], kv).page_bytes);
      pools_.push_back(*Buffer::allocate(page_bytes_[g] * pages_each_ * sequences));
      memory_.pages[g] = pools_[g].data();
    }
  }

  Sequence create() {
    Sequence s{next_++, 0, {}};
    for (int i = 0; i < pages_each_; i++) s.pages.push_back(s.slot * pages_each_ + i);
    return s;
  }
  /// What saving and restoring a conversation does: every byte to other slots and pages.
  Sequence copy_of(const Sequence& from) {
    Sequence to = create();
    to.position = from.position;
    std::memcpy(memory_.slot(to.slot), memory_.slot(from.slot), static_cast<size_t>(memory_.slot_bytes));
    copy_pages(from, to);
    return to;
  }
  /// A fork: whole pages are shared, the one that both will write into is copied.
  Sequence fork_of(const Sequence& from) {
    Sequence to = create();
    to.position = from.position;
    copy_pages(from, to);
    for (int i = 0; i < from.position / kPageTokens; i++) to.pages[i] = from.pages[i];
    return to;
  }
  void copy_pages(const Sequence& from, const Sequence& to) {
    for (size_t g = 0; g < pools_.size(); g++)
      for (int i = 0; i < pages_each_; i++)
        std::memcpy(memory_.pages[g] + to.pages[i] * page_bytes_[g],
                    memory_.pages[g] + from.pages[i] * page_bytes_[g], static_cast<size_t>(page_bytes_[g]));
  }

  struct Part {
    Sequence* sequence;
    std::vector<TokenId> tokens;
    SlotId state_in = -2;   // -2: the sequence's own
    bool every_row = true;  // wants logits of every row, else of its last
  };
  /// One step over all parts; logits of the wanted rows, in order.
  std::vector<float> step(std::vector<Part> parts) {
    std::vector<TokenId> tokens;
    std::vector<int> wanted;
    std::vector<SeqRows> rows;
    std::vector<std::vector<SlotId>> outs(parts.size());
    for (size_t i = 0; i < parts.size(); i++) {
      Part& part = parts[i];
      SeqRows r;
      r.first_row = static_cast<int>(tokens.size());
      r.row_count = static_cast<int>(part.tokens.size());
      r.position = part.sequence->position;
      r.state_in = part.state_in != -2 ? part.state_in : r.position == 0 ? kZeroState : part.sequence->slot;
      outs[i].assign(part.tokens.size(), kDiscard);
      outs[i].back() = part.sequence->slot;
      r.state_out = outs[i];
      r.pages[0] = r.pages[1] = part.sequence->pages;
      rows.push_back(r);
      tokens.insert(tokens.end(), part.tokens.begin(), part.tokens.end());
      for (int row = part.every_row ? 0 : r.row_count - 1; row < r.row_count; row++)
        wanted.push_back(r.first_row + row);
      part.sequence->position += r.row_count;
    }
    const int vocab = model_.info().vocab;
    std::vector<float> logits(wanted.size() * static_cast<size_t>(vocab));
    model_.forward({tokens, rows, wanted}, memory_,
                   {logits.data(), static_cast<int64_t>(wanted.size()), vocab});
    return logits;
  }

 private:
  Model& model_;
  int pages_each_;
  Buffer state_;
  std::vector<Buffer> pools_;
  std::vector<int64_t> page_bytes_;
  CacheMemory memory_;
  SlotId next_ = 0;
};

class Equality : public ::testing::TestWithParam<std::tuple<const CpuKernels*, DType, DType>> {
 protected:
  void SetUp() override {
    if (!std::get<0>(GetParam())->supported()) GTEST_SKIP() << "this CPU does not have " << isa();
    const bool has_super_blocks = dtype_info(weights()).block_elems > 32;
    path_ = has_panels() || has_super_blocks ? test::blocks_model(weights(), is_oracle())
                                             : test::calm_model(weights());
  }
  std::string isa() const { return std::get<0>(GetParam())->name; }
  DType weights() const { return std::get<1>(GetParam()); }
  DType kv() const { return std::get<2>(GetParam()); }
  /// Types with kernels of their own take the model whose rows fit them all: a few times larger.
  bool has_panels() const { return packed_format(weights()); }
  bool is_oracle() const { return std::get<0>(GetParam()) == compiled_kernels().back(); }
  test::LoadedModel load(int threads = 1) const { return test::LoadedModel(path_, isa(), kv(), threads); }
  /// Longer than several pages and the window.
  static std::vector<TokenId> prompt(int length, uint64_t seed = 41) {
    test::Random random(seed);
    std::vector<TokenId> ids(static_cast<size_t>(length));
    for (TokenId& id : ids) id = random.below(512);
    return ids;
  }
  std::string path_;
};

/// Every plain weight type with every KV type, for the slow oracle each type once; every block type that has
/// kernels, for most sets some with a q8_0 cache too; and of those that are decoded on the way, and share all
/// the rest, one on every set. The best set of this CPU runs everything.
std::vector<std::tuple<const CpuKernels*, DType, DType>> cases() {
  using enum DType;
  std::vector<std::tuple<const CpuKernels*, DType, DType>> out;
  bool is_best = true;
  for (const CpuKernels* kernels : compiled_kernels()) {
    const bool is_oracle = kernels == compiled_kernels().back();
    for (DType weights : {f32, f16, bf16})
      for (DType kv : {f32, f16, q8_0})
        if (!is_oracle || weights == kv || (weights == bf16 && kv == q8_0))
          out.emplace_back(kernels, weights, kv);
    for (const DTypeInfo& info : all_dtypes())
      if (packed_format(info.type)) out.emplace_back(kernels, info.type, f16);
    if (is_oracle) continue;
    for (DType weights : {q8_0, q4_0, q4_k}) out.emplace_back(kernels, weights, q8_0);  // what people run
    out.emplace_back(kernels, q4_1, f16);
    if (!is_best || !kernels->supported()) continue;
    is_best = false;
    for (DType weights : {q5_k, q6_k}) out.emplace_back(kernels, weights, q8_0);
    for (DType weights : {q5_0, q5_1, q2_k, q3_k, iq4_nl}) out.emplace_back(kernels, weights, f16);
  }
  return out;
}

INSTANTIATE_TEST_SUITE_P(Isa, Equality, ::testing::ValuesIn(cases()), [](const auto& tested) {
  return std::string(std::get<0>(tested.param)->name) + "_weights_" +
         dtype_info(std::get<1>(tested.param)).name + "_kv_" + dtype_info(std::get<2>(tested.param)).name;
});

TEST_P(Equality, PrefillInChunksEqualsWhole) {
  const test::LoadedModel loaded = load();
  // The oracle multiplies one number at a time: a prompt of two pages has to do for the larger model.
  const bool is_short = is_oracle() && has_panels();
  const std::vector<TokenId> ids = prompt(is_short ? 70 : 530);
  const std::vector<float> whole = loaded.all_logits(ids, 4096);
  for (int chunk : {1, 7, 64, 512})
    if (chunk < static_cast<int>(ids.size())) {
      EXPECT_TRUE(same_bits(loaded.all_logits(ids, chunk), whole)) << chunk;
    }
}

TEST_P(Equality, AnyNumberOfThreadsGivesTheSame) {
  const std::vector<TokenId> ids = prompt(150);
  const std::vector<float> one = load(1).all_logits(ids, 100);
  for (int threads : {2, 3}) EXPECT_TRUE(same_bits(load(threads).all_logits(ids, 100), one)) << threads;
}

TEST_P(Equality, TheShortcutEqualsAllRows) {
  const test::LoadedModel loaded = load();
  const std::vector<TokenId> ids = prompt(200);
  SingleSequence all = loaded.sequence(300), quick = loaded.sequence(300);
  std::vector<float> rows = loaded.feed(all, ids, 64);
  rows.erase(rows.begin(), rows.end() - loaded.vocab());
  EXPECT_TRUE(same_bits(loaded.last_logits(quick, ids, 64), rows));
  const std::vector<TokenId> next = prompt(3, 42);  // the caches are the same too
  EXPECT_TRUE(same_bits(loaded.feed(quick, next, 1), loaded.feed(all, next, 1)));
}

TEST_P(Equality, AloneEqualsAmongOthersInOneBatch) {
  const test::LoadedModel loaded = load(2);
  Pools pools(*loaded.model, kv(), 3, 256);
  Pools::Sequence a = pools.create(), b = pools.create(), c = pools.create();
  const std::vector<TokenId> ids = prompt(140);
  const std::vector<float> alone = loaded.all_logits(ids, 4096);
  const size_t vocab = static_cast<size_t>(loaded.vocab());
  const auto part = [&](int first, int count) {
    return std::vector<TokenId>(ids.begin() + first, ids.begin() + first + count);
  };
  const auto expect_rows = [&](const std::vector<float>& logits, size_t at, size_t first, size_t count) {
    EXPECT_EQ(
        std::memcmp(logits.data() + at * vocab, alone.data() + first * vocab, count * vocab * sizeof(float)),
        0)
        << "rows from " << first;
  };
  // Prefill of one beside others, then decode rows beside a prefill chunk that wants nothing but its last
  // row.
  std::vector<float> logits = pools.step({{&b, prompt(33, 5)}, {&a, part(0, 90)}, {&c, prompt(50, 6)}});
  expect_rows(logits, 33, 0, 90);
  logits = pools.step({{&a, part(90, 1)}, {&b, prompt(70, 7), -2, false}, {&c, prompt(1, 8)}});
  expect_rows(logits, 0, 90, 1);
  logits = pools.step({{&c, prompt(1, 9)}, {&a, part(91, 49), -2, true}});
  expect_rows(logits, 1, 91, 49);
}

TEST_P(Equality, EachOfSixtyFourSequencesGetsWhatItGetsAlone) {
  if (is_oracle()) GTEST_SKIP() << "64 rows, one number at a time";
  const test::LoadedModel loaded = load(2);
  constexpr int kSequences = 64;
  Pools pools(*loaded.model, kv(), kSequences + 1, 64);
  std::vector<Pools::Sequence> sequences;
  std::vector<Pools::Part> prompts, next;
  for (int i = 0; i < kSequences; i++) sequences.push_back(pools.create());
  const auto ids_of = [](int i) { return prompt(2 + i % 5, 100 + static_cast<uint64_t>(i)); };
  for (int i = 0; i < kSequences; i++) prompts.push_back({&sequences[static_cast<size_t>(i)], ids_of(i)});
  pools.step(prompts);
  for (int i = 0; i < kSequences; i++)
    next.push_back({&sequences[static_cast<size_t>(i)], prompt(1, 200 + static_cast<uint64_t>(i))});
  const std::vector<float> together = pools.step(next);
  const auto vocab = static_cast<std::ptrdiff_t>(loaded.vocab());
  for (int i : {0, 17, 63}) {
    std::vector<TokenId> ids = ids_of(i);
    ids.push_back(prompt(1, 200 + static_cast<uint64_t>(i))[0]);
    const std::vector<float> alone = loaded.all_logits(ids, 4096);
    EXPECT_TRUE(same_bits({together.begin() + i * vocab, together.begin() + (i + 1) * vocab},
                          {alone.end() - vocab, alone.end()}))
        << "sequence " << i;
  }
}

TEST_P(Equality, ResumedFromCopiedBytesEqualsStraight) {
  const test::LoadedModel loaded = load();
  Pools pools(*loaded.model, kv(), 2, 256);
  const std::vector<TokenId> ids = prompt(100);
  Pools::Sequence straight = pools.create();
  pools.step({{&straight, ids}});
  Pools::Sequence resumed = pools.copy_of(straight);
  for (int step = 0; step < 3; step++) {
    const std::vector<TokenId> next = prompt(11, 50 + static_cast<uint64_t>(step));
    EXPECT_TRUE(same_bits(pools.step({{&resumed, next}}), pools.step({{&straight, next}})));
  }
}

// Two answers from one prompt: both read the prompt's slot and write their own.
TEST_P(Equality, ForkedEqualsStraight) {
  const test::LoadedModel loaded = load();
  Pools pools(*loaded.model, kv(), 3, 256);
  const std::vector<TokenId> ids = prompt(100), left_ids = prompt(20, 61), right_ids = prompt(20, 62);
  Pools::Sequence parent = pools.create();
  pools.step({{&parent, ids}});
  Pools::Sequence left = pools.fork_of(parent), right = pools.fork_of(parent);
  const std::vector<float> both =
      pools.step({{&left, left_ids, parent.slot, true}, {&right, right_ids, parent.slot, true}});

  std::vector<float> expected;
  for (const std::vector<TokenId>& tail : {left_ids, right_ids}) {
    std::vector<TokenId> straight = ids;
    straight.insert(straight.end(), tail.begin(), tail.end());
    const std::vector<float> logits = loaded.all_logits(straight, 4096);
    expected.insert(expected.end(), logits.end() - 20 * loaded.vocab(), logits.end());
  }
  EXPECT_TRUE(same_bits(both, expected));
}

}  // namespace
}  // namespace sambay
