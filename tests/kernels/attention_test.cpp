// The attention kernels of every instruction set: against the scalar ones, and that a row's bits depend on
// nothing but the row.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/every_isa.h"
#include "support/random.h"
#include "tensor/dtype.h"
#include "tensor/kv_layout.h"

namespace sambay {
namespace {

constexpr DType kTypes[] = {DType::f32, DType::f16, DType::q8_0};

struct Shape {
  int pairs, head_dim, window, positions;
  int chunk_tokens = 2 * kPageTokens;
};

/// One unit of one sequence, in pages that are out of order.
class Unit {
 public:
  Unit(Shape shape, DType type)
      : shape_(shape), layout_({1, 2, shape.head_dim, shape.window, 2}, type), type_(type) {
    test::Random random(71);
    q_ = random.normals(int64_t{shape.positions} * row_width());
    sub_norm_ = random.normals(2 * shape.head_dim);
    const int count = (shape.positions + kPageTokens - 1) / kPageTokens;
    for (int i = 0; i < count; i++) pages_.push_back((i + 1) % count);
    pool_.resize(static_cast<size_t>(count * layout_.page_bytes));
    for (int p = 0; p < count * kPageTokens; p++) {
      write(p, 0, random.normals(layout_.row_elems));
      write(p, layout_.plane_bytes, random.normals(layout_.row_elems));
    }
  }

  int row_width() const { return shape_.pairs * 2 * shape_.head_dim; }

  /// Keys and values that no row may look at.
  void spoil(int first, int last) {
    const std::vector<float> nan(static_cast<size_t>(layout_.row_elems),
                                 std::numeric_limits<float>::quiet_NaN());
    for (int p = first; p < last; p++)
      for (const int64_t plane : {int64_t{0}, layout_.plane_bytes}) {
        write(p, plane, nan);
        if (type_ == DType::q8_0)  // whose encoder makes numbers of them
          for (int b = 0; b < layout_.row_bytes; b += 34)
            row(p, plane)[b] = row(p, plane)[b + 1] = std::byte{0xff};
      }
  }

  AttentionArgs args(int position, int rows) {
    AttentionArgs a{};
    a.q = q_.data() + int64_t{position} * row_width(), a.q_stride = row_width();
    a.rows = rows, a.pairs = shape_.pairs, a.head_dim = shape_.head_dim;
    a.position = position, a.window = shape_.window, a.chunk_tokens = shape_.chunk_tokens;
    const int oldest = shape_.window > 0 ? std::max(0, position - shape_.window + 1) : 0;
    a.first_chunk = oldest / a.chunk_tokens, a.last_chunk = (position + rows - 1) / a.chunk_tokens + 1;
    a.pool = reinterpret_cast<const uint8_t*>(pool_.data()), a.pages = pages_.data();
    a.page_bytes = layout_.page_bytes, a.plane_bytes = layout_.plane_bytes, a.row_bytes = layout_.row_bytes;
    a.scale = 1 / std::sqrt(static_cast<float>(shape_.head_dim));
    sums_.assign(static_cast<size_t>(rows * sum_floats()), std::nanf(""));
    scratch_.assign(static_cast<size_t>(attention_scratch_floats(shape_.pairs, shape_.head_dim)) + 16, 0.0f);
    a.sums = sums_.data();
    a.scratch = scratch_.data() + (16 - reinterpret_cast<uintptr_t>(scratch_.data()) / 4 % 16) % 16;
    a.lambda = 0.7f, a.eps = 1e-5f, a.out_scale = 0.3f, a.sub_norm = sub_norm_.data();
    y_.assign(static_cast<size_t>(rows * row_width()), 0.0f);
    a.y = y_.data(), a.y_stride = row_width();
    return a;
  }
  int64_t sum_floats() const { return attention_sum_floats(shape_.pairs, shape_.head_dim); }

  /// Rows [first, last), `together` at a time.
  std::vector<float> attend(const CpuKernels& kernels, int first, int last, int together) {
    std::vector<float> all;
    for (int at = first; at < last; at += together) {
      const AttentionArgs a = args(at, std::min(together, last - at));
      kernels.attend[static_cast<size_t>(type_)](a);
      kernels.attention_finish(a);
      all.insert(all.end(), y_.begin(), y_.end());
    }
    return all;
  }

  /// The same, the chunks from `cut` on kept apart.
  std::vector<float> attend_cut(const CpuKernels& kernels, int first, int last, int64_t cut) {
    AttentionArgs a = args(first, last - first);
    const AttentionArgs whole = a;
    std::vector<float> apart(static_cast<size_t>((a.last_chunk - cut) * a.rows * sum_floats()),
                             std::nanf(""));
    const auto attend = kernels.attend[static_cast<size_t>(type_)];
    a.last_chunk = cut;
    attend(a);
    a.first_chunk = cut, a.last_chunk = whole.last_chunk;
    a.sums = apart.data(), a.keep_apart = true;
    attend(a);
    a.sums = whole.sums;
    kernels.attention_add(a, apart.data());
    kernels.attention_finish(whole);
    return y_;
  }

 private:
  std::byte* row(int position, int64_t plane) {
    return pool_.data() + pages_[static_cast<size_t>(position / kPageTokens)] * layout_.page_bytes + plane +
           position % kPageTokens * layout_.row_bytes;
  }
  void write(int position, int64_t plane, const std::vector<float>& values) {
    dtype_info(type_).encode(values.data(), row(position, plane), layout_.row_elems);
  }

  Shape shape_;
  KvLayout layout_;
  DType type_;
  std::vector<float> q_, sub_norm_, sums_, scratch_, y_;
  std::vector<int32_t> pages_;
  std::vector<std::byte> pool_;
};

class Attention : public test::EveryIsa {};
SAMBAY_FOR_EVERY_ISA(Attention);

const std::vector<Shape> kShapes = {{2, 64, 70, 200}, {2, 64, 0, 300}, {1, 64, 100, 140}, {3, 64, 0, 90},
                                    {2, 16, 50, 150}, {2, 6, 0, 70},   {1, 128, 0, 80}};

TEST_P(Attention, AgreesWithTheScalarKernel) {
  for (const Shape& shape : kShapes)
    for (const DType type : kTypes) {
      Unit unit(shape, type);
      const int first = shape.positions - 20;
      const std::vector<float> expected = unit.attend(scalar(), first, shape.positions, 1);
      const std::vector<float> y = unit.attend(kernels(), first, shape.positions, 7);
      // As in tests/ops/attention_test.cpp, but both sides err.
      const double tolerance = 2 * 20 * (shape.head_dim + 16) * 4 * 0x1p-24;
      for (size_t i = 0; i < y.size(); i++)
        ASSERT_NEAR(y[i], expected[i], tolerance)
            << dtype_info(type).name << " head_dim " << shape.head_dim << " i " << i;
    }
}

TEST_P(Attention, RowsTogetherGiveTheSameBitsAsEachAlone) {
  for (const Shape& shape : kShapes)
    for (const DType type : kTypes) {
      Unit unit(shape, type);
      const int first = shape.positions - 40;
      const std::vector<float> expected = unit.attend(kernels(), first, shape.positions, 1);
      for (const int together : {2, 3, 4, 5, 32})
        EXPECT_EQ(unit.attend(kernels(), first, shape.positions, together), expected)
            << dtype_info(type).name << " head_dim " << shape.head_dim << " pairs " << shape.pairs
            << " together " << together;
    }
}

TEST_P(Attention, ChunksKeptApartGiveTheSameBits) {
  for (const Shape& shape : {Shape{2, 64, 70, 300, 64}, Shape{2, 64, 0, 300, 64}, Shape{2, 16, 150, 300, 64}})
    for (const DType type : kTypes) {
      Unit unit(shape, type);
      const int first = shape.positions - 30;
      const std::vector<float> expected = unit.attend(kernels(), first, shape.positions, 30);
      const AttentionArgs a = unit.args(first, 30);
      for (int64_t cut = a.first_chunk + 1; cut < a.last_chunk; cut++)
        EXPECT_EQ(unit.attend_cut(kernels(), first, shape.positions, cut), expected)
            << dtype_info(type).name << " head_dim " << shape.head_dim << " cut " << cut;
    }
}

// Pages hold what other sequences left behind, and the keys of rows to come.
TEST_P(Attention, NeverLooksAtKeysOutsideOfTheRowsRange) {
  for (const Shape& shape : {Shape{2, 64, 70, 200}, Shape{2, 16, 40, 200}, Shape{3, 64, 65, 200}})
    for (const DType type : kTypes) {
      Unit clean(shape, type), spoilt(shape, type);
      spoilt.spoil(0, 150 - shape.window + 1);
      spoilt.spoil(157, 256);
      const std::vector<float> expected = clean.attend(kernels(), 150, 157, 7);
      for (const int together : {1, 2, 7})
        EXPECT_EQ(spoilt.attend(kernels(), 150, 157, together), expected)
            << dtype_info(type).name << " head_dim " << shape.head_dim << " together " << together;
    }
}

}  // namespace
}  // namespace sambay
