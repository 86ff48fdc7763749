// Block formats: decoded like PyPI's gguf decodes them, encoded at least as well as the references do.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "base/mapped_file.h"
#include "formats/gguf_reader.h"
#include "support/random.h"
#include "tensor/dtype.h"
#include "tensor/quant_iq4_nl.h"

namespace sambay {
namespace {

std::vector<const DTypeInfo*> block_types() {
  std::vector<const DTypeInfo*> types;
  for (const DTypeInfo& info : all_dtypes())
    if (info.is_block()) types.push_back(&info);
  return types;
}

/// tests/tensor/blocks.gguf; make_block_fixtures.py says what is in it and where it came from.
class Fixture {
 public:
  const TensorView& tensor(const std::string& name) const {
    for (const TensorView& view : reader_.tensors())
      if (view.name == name) return view;
    ADD_FAILURE() << name;
    return reader_.tensors().front();
  }
  std::vector<float> floats(const std::string& name) const {
    const TensorView& view = tensor(name);
    std::vector<float> values(static_cast<size_t>(view.element_count()));
    std::memcpy(values.data(), view.bytes.data(), view.bytes.size());
    return values;
  }
  double number(const std::string& key) const { return *reader_.number(key); }

 private:
  MappedFile file_ = *MappedFile::open(std::string(SAMBAY_TEST_DATA) + "/tensor/blocks.gguf");
  GgufReader reader_ = *GgufReader::parse(file_.bytes(), "blocks.gguf");
};

class QuantType : public ::testing::TestWithParam<const DTypeInfo*> {
 protected:
  const DTypeInfo& info() const { return *GetParam(); }
  std::string name() const { return info().name; }

  std::vector<std::byte> encode(const std::vector<float>& values, const float* importance = nullptr) const {
    const auto count = static_cast<int64_t>(values.size());
    std::vector<std::byte> bytes(static_cast<size_t>(dtype_bytes(info().type, count)));
    if (importance)
      info().encode_weighted(values.data(), bytes.data(), count, importance);
    else
      info().encode(values.data(), bytes.data(), count);
    return bytes;
  }
  std::vector<float> decode(const std::vector<std::byte>& bytes, size_t count) const {
    std::vector<float> values(count);
    info().decode(bytes.data(), values.data(), static_cast<int64_t>(count));
    return values;
  }
  std::vector<float> round_trip(const std::vector<float>& values, const float* importance = nullptr) const {
    return decode(encode(values, importance), values.size());
  }
};

INSTANTIATE_TEST_SUITE_P(Type, QuantType, ::testing::ValuesIn(block_types()),
                         [](const auto& tested) { return std::string(tested.param->name); });

/// Types that search for their scales, and so can weigh errors.
class SearchedType : public QuantType {};

std::vector<const DTypeInfo*> searched_types() {
  std::vector<const DTypeInfo*> types = block_types();
  std::erase_if(types, [](const DTypeInfo* info) { return !info->encode_weighted; });
  return types;
}

INSTANTIATE_TEST_SUITE_P(Type, SearchedType, ::testing::ValuesIn(searched_types()),
                         [](const auto& tested) { return std::string(tested.param->name); });

double squared_error(const std::vector<float>& a, const std::vector<float>& b, const float* weights = nullptr,
                     size_t columns = 1) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); i++) {
    const double e = static_cast<double>(a[i]) - b[i];
    sum += (weights ? weights[i % columns] : 1.0) * e * e;
  }
  return sum;
}

TEST_P(QuantType, DecodesBlocksOfAnyBitsLikeTheGgufPackage) {
  const Fixture fixture;
  const TensorView& blocks = fixture.tensor("blocks." + name());
  ASSERT_EQ(blocks.type, info().type);
  const std::vector<float> expected = fixture.floats("values." + name());
  std::vector<float> values(expected.size());
  info().decode(blocks.bytes.data(), values.data(), blocks.element_count());
  for (size_t i = 0; i < values.size(); i++) ASSERT_EQ(values[i], expected[i]) << "element " << i;
}

// Both sides search or round for the least squared error. Where the reference only takes the largest value
// for its scale, or weighs values by their size, ours is less; 1.0001 is for the order of sums.
TEST_P(QuantType, ErrsNoMoreThanTheReference) {
  const Fixture fixture;
  const std::vector<float> values = fixture.floats("input");
  const double error = squared_error(round_trip(values), values);
  const double reference = fixture.number("error." + name());
  std::printf("squared error %.6g, reference %.6g: %.4f\n", error, reference, error / reference);
  EXPECT_LE(error, reference * 1.0001);
  EXPECT_GT(error, 0.0);
}

TEST_P(SearchedType, ErrsNoMoreThanTheReferenceWhereColumnsDifferInImportance) {
  const Fixture fixture;
  const std::vector<float> values = fixture.floats("input"), importance = fixture.floats("importance");
  const size_t columns = importance.size();
  std::vector<float> everywhere(values.size());
  for (size_t i = 0; i < values.size(); i++) everywhere[i] = importance[i % columns];
  const double error =
      squared_error(round_trip(values, everywhere.data()), values, importance.data(), columns);
  const double unweighted = squared_error(round_trip(values), values, importance.data(), columns);
  const double reference = fixture.number("error." + name() + ".weighted");
  std::printf("weighted squared error %.6g, reference %.6g: %.4f; without weights %.6g\n", error, reference,
              error / reference, unweighted);
  EXPECT_LE(error, reference * 1.0001);
  EXPECT_LT(error, unweighted);
}

TEST_P(SearchedType, EqualImportanceIsNoImportance) {
  const std::vector<float> values = test::Random(5).normals(1024), ones(1024, 1.0f);
  EXPECT_EQ(encode(values), encode(values, ones.data()));
}

// A least-squares fit can trade one value for the others, but the block's error stays below that of a plain
// grid over its range, whose steps are range / (2^bits - 1): half a step for every value.
TEST_P(QuantType, ErrsLessThanHalfAStepOfAPlainGrid) {
  const std::vector<float> values = test::Random(6).normals(4096);
  const std::vector<float> back = round_trip(values);
  const int elems = info().block_elems;
  // The uneven table's widest step is 24, between 89 and 113 of 113.
  const int bits = name()[name().find('q') + 1] - '0';
  const double step = info().type == DType::iq4_nl ? 24.0 / 113 : 2 / (std::exp2(bits) - 1);
  for (size_t b = 0; b < values.size(); b += static_cast<size_t>(elems)) {
    float largest = 0;
    double error = 0;
    for (size_t i = b; i < b + static_cast<size_t>(elems); i++) {
      largest = std::fmax(largest, std::fabs(values[i]));
      error += std::pow(static_cast<double>(back[i]) - values[i], 2);
    }
    EXPECT_LT(std::sqrt(error / elems), 0.5 * step * largest) << "block at " << b;
  }
}

TEST_P(QuantType, EveryBlockIsEncodedByItself) {
  const std::vector<float> values = test::Random(7).normals(1024);
  const std::vector<std::byte> together = encode(values);
  const auto elems = static_cast<size_t>(info().block_elems);
  const std::vector<float> last(values.end() - static_cast<std::ptrdiff_t>(elems), values.end());
  const std::vector<std::byte> alone = encode(last);
  EXPECT_EQ(std::memcmp(alone.data(), together.data() + together.size() - alone.size(), alone.size()), 0);
}

TEST_P(QuantType, ZerosStayZeros) {
  for (const float zero : {0.0f, -0.0f})
    for (const float value : round_trip(std::vector<float>(512, zero))) EXPECT_EQ(value, 0.0f);
}

TEST_P(QuantType, KeepsASpikeAndTheZerosAroundIt) {
  for (const float spike : {1.0f, -1.0f, 1e-3f, -300.0f}) {
    std::vector<float> values(512, 0.0f);
    values[37] = spike;
    const std::vector<float> back = round_trip(values);
    // f16 scales: a relative 2^-11, twice where a product of two of them counts; below 2^-14 steps of 2^-24,
    // up to 127 * 32 of which make the spike. A table without a 0 gives each zero 1 of 127, and the fit makes
    // these 31 errors smaller at the spike's cost.
    const float of_the_fit = info().type == DType::iq4_nl ? 31.0f / (127 * 127) : 0.0f;
    EXPECT_NEAR(back[37], spike, std::fabs(spike) * (0x1p-10f + of_the_fit) + 0x1p-25f * 127 * 32) << spike;
    for (size_t i = 0; i < values.size(); i++) {
      if (i == 37) continue;
      const float nearest_to_zero = info().type == DType::iq4_nl ? std::fabs(spike) / 100 : 0.0f;
      EXPECT_LE(std::fabs(back[i]), nearest_to_zero + std::fabs(spike) * 0x1p-10f) << i;
    }
  }
}

TEST_P(QuantType, KeepsAConstantWithinTheScalesRounding) {
  for (const float constant : {0.05f, -0.05f, 7.0f, -1000.0f})
    for (const float value : round_trip(std::vector<float>(512, constant)))
      EXPECT_NEAR(value, constant, std::fabs(constant) * 0x1p-9f);  // two f16 numbers, and a sum of them
}

TEST_P(QuantType, TooSmallForF16ScalesBecomesNearlyZeroAndStaysFinite) {
  for (const float size : {1e-45f, 1e-39f, 1e-30f, 1e-12f}) {
    const std::vector<float> values = test::Random(8).normals(512, size);
    for (const float value : round_trip(values)) EXPECT_LE(std::fabs(value), 6 * size);
  }
}

TEST_P(QuantType, LargeValuesAreKeptAndTooLargeOnesShow) {
  const std::vector<float> large = test::Random(9).normals(512, 1e4f);
  const std::vector<float> back = round_trip(large);
  EXPECT_LT(squared_error(back, large), 0.1 * squared_error(std::vector<float>(512, 0.0f), large));
  for (const float size : {1e30f, 3e38f}) {
    const std::vector<float> too_large = test::Random(10).normals(512, size / 6);
    bool shows = false;
    for (const float value : round_trip(too_large)) shows = shows || !std::isfinite(value);
    EXPECT_TRUE(shows) << size;
  }
}

TEST_P(SearchedType, NotANumberAndInfinityShowInTheirBlockOnly) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                          -std::numeric_limits<float>::infinity()}) {
    std::vector<float> values = test::Random(11).normals(1024);
    values[300] = bad;
    const std::vector<float> back = round_trip(values);
    bool shows = false;
    for (size_t i = 256; i < 512; i++) shows = shows || !std::isfinite(back[i]);
    EXPECT_TRUE(shows) << bad;
    for (size_t i = 0; i < 256; i++) EXPECT_TRUE(std::isfinite(back[i]));
    for (size_t i = 512; i < 1024; i++) EXPECT_TRUE(std::isfinite(back[i]));
  }
}

TEST_P(QuantType, EncodingWhatWasDecodedChangesLittle) {
  const std::vector<float> values = test::Random(12).normals(2048);
  const std::vector<float> once = round_trip(values), twice = round_trip(once);
  EXPECT_LT(squared_error(twice, once), 0.3 * squared_error(once, values));
}

TEST_P(SearchedType, ImportanceOfZeroGivesUpNothingElse) {
  const std::vector<float> values = test::Random(13).normals(512), nothing(512, 0.0f);
  for (const float value : round_trip(values, nothing.data())) EXPECT_TRUE(std::isfinite(value));
}

TEST(QuantIQ4NL, TableAscends) {
  for (int i = 1; i < 16; i++) EXPECT_LT(kIQ4NLTable[i - 1], kIQ4NLTable[i]);
}

TEST(DType, BlocksAreLaidOutLikeGgmls) {
  struct Row {
    const char* name;
    uint32_t id;
    int elems, bytes;
  };
  for (const Row& row : {Row{"q4_0", 2, 32, 18}, Row{"q4_1", 3, 32, 20}, Row{"q5_0", 6, 32, 22},
                         Row{"q5_1", 7, 32, 24}, Row{"q8_0", 8, 32, 34}, Row{"q2_k", 10, 256, 84},
                         Row{"q3_k", 11, 256, 110}, Row{"q4_k", 12, 256, 144}, Row{"q5_k", 13, 256, 176},
                         Row{"q6_k", 14, 256, 210}, Row{"iq4_nl", 20, 32, 18}}) {
    const auto type = dtype_from_name(row.name);
    ASSERT_TRUE(type.has_value()) << row.name;
    EXPECT_EQ(dtype_info(*type).gguf_id, row.id) << row.name;
    EXPECT_EQ(dtype_info(*type).block_elems, row.elems) << row.name;
    EXPECT_EQ(dtype_info(*type).block_bytes, row.bytes) << row.name;
  }
}

}  // namespace
}  // namespace sambay
