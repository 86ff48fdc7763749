// Differential attention as one op against the slow composition of simpler steps, in double, for every KV
// type.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <vector>

#include "kernels/cpu/kernels.h"
#include "ops/ops.h"
#include "support/random.h"

namespace sambay {
namespace {

struct Shape {
  int heads, kv_heads, head_dim, window, positions;
};

/// One sequence in pages that are deliberately out of order.
struct Case {
  Shape shape;
  KvLayout layout;
  std::vector<float> q, k, v, sub_norm;
  Buffer pool;
  std::vector<PageId> pages;
  std::vector<SlotId> slots;
  DiffWeights weights;

  Case(Shape s, DType type, uint64_t seed)
      : shape(s), layout({2, s.kv_heads, s.head_dim, s.window, 2}, type) {
    test::Random random(seed);
    q = random.normals(int64_t{s.positions} * s.heads * s.head_dim);
    k = random.normals(int64_t{s.positions} * s.kv_heads * s.head_dim);
    v = random.normals(int64_t{s.positions} * s.kv_heads * s.head_dim);
    sub_norm = random.normals(2 * s.head_dim);
    const int count = (s.positions + kPageTokens - 1) / kPageTokens;
    for (int i = 0; i < count; i++) pages.push_back(count - 1 - i);
    pool = *Buffer::allocate(count * layout.page_bytes);
    slots.assign(static_cast<size_t>(s.positions), kDiscard);
    weights = {0.7f, sub_norm.data(), 1e-5f, 0.3f};
  }
  SeqRows rows(int first, int count) {
    SeqRows r;
    r.row_count = count, r.position = first, r.state_out = slots;
    r.pages[0] = pages;
    return r;
  }
  CacheMemory memory() {
    CacheMemory m;
    m.pages[0] = pool.data();
    return m;
  }
};

/// The same by steps: scores, two softmaxes, two weighted sums, difference, norm. `k`, `v` as stored.
std::vector<double> oracle(const Case& c, const std::vector<float>& k, const std::vector<float>& v, int t) {
  const auto [heads, kv_heads, hd, window, positions] = c.shape;
  std::vector<double> out;
  for (int p = 0; p < heads / 2; p++) {
    const int s = p / (heads / kv_heads);  // query pair p uses KV pair s
    std::vector<double> o(static_cast<size_t>(2 * hd), 0.0);
    for (int component = 0; component < 2; component++) {
      std::vector<double> score;
      const int first = window > 0 ? std::max(0, t - window + 1) : 0;
      for (int j = first; j <= t; j++) {
        double dot = 0;
        for (int d = 0; d < hd; d++)
          dot += static_cast<double>(c.q[(t * heads + 2 * p + component) * hd + d]) *
                 k[(j * kv_heads + 2 * s + component) * hd + d];
        score.push_back(dot / std::sqrt(hd));
      }
      double sum = 0;
      const double top = *std::max_element(score.begin(), score.end());
      for (double& x : score) sum += x = std::exp(x - top);
      for (int j = first; j <= t; j++)
        for (int d = 0; d < 2 * hd; d++)
          o[d] += (component ? -c.weights.lambda : 1.0) * score[j - first] / sum *
                  v[(j * kv_heads + 2 * s) * hd + d];
    }
    double squares = 0;
    for (double x : o) squares += x * x;
    for (int d = 0; d < 2 * hd; d++)
      out.push_back(o[d] / std::sqrt(squares / (2 * hd) + 1e-5) * c.sub_norm[d] * c.weights.out_scale);
  }
  return out;
}

class DiffAttention : public ::testing::TestWithParam<std::tuple<const CpuKernels*, DType>> {
 protected:
  void SetUp() override {
    if (!std::get<0>(GetParam())->supported())
      GTEST_SKIP() << "this CPU does not have " << std::get<0>(GetParam())->name;
    ops_ = *make_cpu_ops({2, std::get<0>(GetParam())->name, false});
  }
  DType type() const { return std::get<1>(GetParam()); }

  std::vector<float> attend(Case& c, int first, int count, int split) {
    const int q_width = c.shape.heads * c.shape.head_dim, kv_width = c.shape.kv_heads * c.shape.head_dim;
    std::vector<float> y(static_cast<size_t>(count * q_width));
    const KvLayer kv{&c.layout, 0, 1};
    for (int done = 0; done < count; done += split) {
      const int n = std::min(split, count - done), at = first + done;
      const SeqRows rows = c.rows(at, n);
      std::vector<TokenId> tokens(static_cast<size_t>(n));
      const Batch batch{tokens, {&rows, 1}, {}};
      ops_->kv_append(batch, c.memory(), kv, {c.k.data() + at * kv_width, n, kv_width},
                      {c.v.data() + at * kv_width, n, kv_width});
      ops_->diff_attention(batch, c.memory(), kv, c.weights, {}, {c.q.data() + at * q_width, n, q_width},
                           {y.data() + done * q_width, n, q_width});
    }
    return y;
  }
  std::unique_ptr<Ops> ops_;
};

INSTANTIATE_TEST_SUITE_P(Isa, DiffAttention,
                         ::testing::Combine(::testing::ValuesIn(compiled_kernels()),
                                            ::testing::Values(DType::f32, DType::f16, DType::q8_0)),
                         [](const auto& tested) {
                           return std::string(std::get<0>(tested.param)->name) + "_" +
                                  dtype_info(std::get<1>(tested.param)).name;
                         });

TEST_P(DiffAttention, MatchesTheCompositionOfSimplerSteps) {
  for (const Shape& shape :
       {Shape{8, 4, 8, 0, 100}, Shape{8, 4, 16, 16, 150}, Shape{4, 2, 64, 70, 200}, Shape{4, 4, 6, 0, 9},
        Shape{6, 2, 32, 64, 150}, Shape{12, 4, 8, 0, 70}}) {  // three query pairs share one KV pair
    Case c(shape, type(), 31);
    const std::vector<float> y = attend(c, 0, shape.positions, shape.positions);
    // What the cache holds: every (pair, position) row through encode and decode.
    std::vector<float> k = c.k, v = c.v;
    const int width = 2 * shape.head_dim, elems = c.layout.row_elems;
    for (std::vector<float>* values : {&k, &v})
      for (size_t row = 0; row < values->size() / width; row++) {
        std::vector<float> padded(static_cast<size_t>(elems), 0.0f);
        std::vector<std::byte> stored(static_cast<size_t>(c.layout.row_bytes));
        std::copy_n(values->begin() + row * width, width, padded.begin());
        dtype_info(type()).encode(padded.data(), stored.data(), elems);
        dtype_info(type()).decode(stored.data(), padded.data(), elems);
        std::copy_n(padded.begin(), width, values->begin() + row * width);
      }
    for (int t = 0; t < shape.positions; t += 7) {
      const std::vector<double> exact = oracle(c, k, v, t);
      for (size_t i = 0; i < exact.size(); i++)
        // Scores err by head_dim ulps of about 4; weights and sums by as much relative; the difference of two
        // near vectors and the norm enlarge that by less than 20 on these data.
        ASSERT_NEAR(y[t * exact.size() + i], exact[i], 20 * (shape.head_dim + 16) * 4 * 0x1p-24)
            << "head_dim " << shape.head_dim << " t " << t << " i " << i;
    }
  }
}

TEST_P(DiffAttention, ChunksOfAnySizeGiveTheSameBits) {
  const Shape shape{8, 4, 16, 40, 170};
  Case whole(shape, type(), 32);
  const std::vector<float> expected = attend(whole, 0, 170, 170);
  for (int split : {1, 7, 64}) {
    Case c(shape, type(), 32);
    EXPECT_EQ(attend(c, 0, 170, split), expected) << split;
  }
}

TEST_P(DiffAttention, PickedRowsGiveTheSameBitsAsAllRows) {
  const Shape shape{8, 4, 16, 0, 90};
  Case c(shape, type(), 33);
  const std::vector<float> all = attend(c, 0, 90, 90);
  const SeqRows rows = c.rows(0, 90);
  const std::vector<TokenId> tokens(90);
  const std::vector<int> picked = {3, 64, 89};
  std::vector<float> q, y(3 * 128);
  for (int r : picked) q.insert(q.end(), c.q.begin() + r * 128, c.q.begin() + (r + 1) * 128);
  ops_->diff_attention({tokens, {&rows, 1}, picked}, c.memory(), {&c.layout, 0, 1}, c.weights, picked,
                       {q.data(), 3, 128}, {y.data(), 3, 128});
  for (size_t i = 0; i < picked.size(); i++)
    EXPECT_EQ(std::memcmp(y.data() + i * 128, all.data() + picked[i] * 128, 128 * sizeof(float)), 0);
}

// The window is exactly `window` keys, the query's own included: a change one key before it is not seen, one
// inside is.
TEST_P(DiffAttention, WindowEndsExactlyWhereItShould) {
  const Shape shape{4, 2, 16, 20, 60};
  Case base(shape, type(), 34);
  const std::vector<float> expected = attend(base, 0, 60, 60);
  for (const auto& [position, seen] : {std::pair{39, false}, {40, true}}) {  // row 59 sees 40..59
    Case changed(shape, type(), 34);
    for (int i = 0; i < 32; i++) changed.v[position * 32 + i] += 1;
    const std::vector<float> y = attend(changed, 0, 60, 60);
    const bool differs = std::memcmp(y.data() + 59 * 64, expected.data() + 59 * 64, 64 * sizeof(float)) != 0;
    EXPECT_EQ(differs, seen) << position;
  }
}

}  // namespace
}  // namespace sambay
