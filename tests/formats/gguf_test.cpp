// Reader and writer: formats/gguf_reader.h, formats/gguf_writer.h.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "formats/gguf_reader.h"
#include "formats/gguf_writer.h"
#include "support/format_bytes.h"
#include "support/temp_folder.h"

namespace sambay {
namespace {

using test::bytes_of;
using test::GgufBytes;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

constexpr uint32_t kF32 = 0, kF16 = 1, kQ8_0 = 8, kBf16 = 30;

Result<GgufReader> parse(std::string_view file) { return GgufReader::parse(bytes_of(file), "model.gguf"); }
Result<GgufReader> parse(const GgufBytes& file) { return parse(file.bytes()); }

template <class T>
void expect_error(const Result<T>& result, ErrorCode code, std::string_view part) {
  ASSERT_FALSE(result) << part;
  EXPECT_EQ(result.error().code, code) << result.error().message;
  EXPECT_THAT(result.error().message,
              AllOf(StartsWith("model.gguf: "), HasSubstr(std::string(part)), Not(HasSubstr("\n"))));
}

/// Every value type, arrays, tensors in an order other than that of their bytes; ends with the last tensor.
std::string small_file(uint32_t version) {
  GgufBytes file(2, 16, version);
  file.key("u8", GgufType::u8).number(uint8_t{200}).key("i8", GgufType::i8).number(int8_t{-100});
  file.key("u16", GgufType::u16).number(uint16_t{60000}).key("i16", GgufType::i16).number(int16_t{-30000});
  file.key("u32", GgufType::u32).number(uint32_t{4'000'000'000});
  file.key("i32", GgufType::i32).number(int32_t{-2'000'000'000});
  file.key("f32", GgufType::f32).number(1e-5f).key("f64", GgufType::f64).number(-0.25);
  file.key("u64", GgufType::u64)
      .number(uint64_t{1} << 62)
      .key("i64", GgufType::i64)
      .number(int64_t{-1} << 62);
  file.key("yes", GgufType::boolean).number(uint8_t{1}).key("no", GgufType::boolean).number(uint8_t{0});
  file.key("text", GgufType::string).string("phi4flash");
  file.array("words", GgufType::string, 3).string("a").string("").string("\n");
  file.array("list", GgufType::i16, 2).number(int16_t{-1}).number(int16_t{2});
  file.array("none", GgufType::f32, 0);
  file.tensor("second", {3}, kF32, 32).tensor("first", {2, 1}, kF16, 0).pad();
  return file.data("abcd").pad().data("0123456789ab").bytes();
}

class EachVersion : public ::testing::TestWithParam<uint32_t> {};
INSTANTIATE_TEST_SUITE_P(Gguf, EachVersion, ::testing::Values(2u, 3u));

TEST_P(EachVersion, GivesValuesOfEveryType) {
  const std::string file = small_file(GetParam());
  const auto gguf = parse(file);
  ASSERT_TRUE(gguf) << gguf.error().message;
  EXPECT_EQ(gguf->version(), GetParam());
  EXPECT_EQ(*gguf->integer("u8"), 200);
  EXPECT_EQ(*gguf->integer("i8"), -100);
  EXPECT_EQ(*gguf->integer("u16"), 60000);
  EXPECT_EQ(*gguf->integer("i16"), -30000);
  EXPECT_EQ(*gguf->integer("u32"), 4'000'000'000);
  EXPECT_EQ(*gguf->integer("i32"), -2'000'000'000);
  EXPECT_EQ(*gguf->integer("u64"), int64_t{1} << 62);
  EXPECT_EQ(*gguf->integer("i64"), int64_t{-1} << 62);
  EXPECT_EQ(*gguf->number("f32"), double{1e-5f});
  EXPECT_EQ(*gguf->number("f64"), -0.25);
  EXPECT_EQ(*gguf->number("i8"), -100.0);
  EXPECT_EQ(*gguf->number("u64"), 0x1p62);
  EXPECT_TRUE(*gguf->boolean("yes"));
  EXPECT_FALSE(*gguf->boolean("no"));
  EXPECT_EQ(*gguf->string("text"), "phi4flash");
  EXPECT_THAT(*gguf->strings("words"), ElementsAre("a", "", "\n"));
  EXPECT_THAT(*gguf->integers("list"), ElementsAre(-1, 2));
  EXPECT_THAT(*gguf->numbers("list"), ElementsAre(-1.0, 2.0));
  EXPECT_THAT(*gguf->numbers("none"), IsEmpty());
  EXPECT_EQ(gguf->keys().size(), 16u);
  EXPECT_EQ(gguf->keys()[13], "words");
  EXPECT_TRUE(gguf->has("none"));
  EXPECT_FALSE(gguf->has("nothing"));
}

TEST_P(EachVersion, GivesTensorsInTheOrderOfTheTableWithTheOuterDimensionFirst) {
  const std::string file = small_file(GetParam());
  const auto gguf = parse(file);
  ASSERT_TRUE(gguf) << gguf.error().message;
  ASSERT_EQ(gguf->tensors().size(), 2u);
  const TensorView &second = gguf->tensors()[0], &first = gguf->tensors()[1];
  EXPECT_EQ(first.name, "first");
  EXPECT_THAT(first.shape, ElementsAre(1, 2));
  EXPECT_EQ(first.type, DType::f16);
  EXPECT_EQ(std::memcmp(first.bytes.data(), "abcd", 4), 0);
  EXPECT_EQ(second.bytes.size(), 12u);
  EXPECT_EQ(std::memcmp(second.bytes.data(), "0123456789ab", 12), 0);
}

TEST_P(EachVersion, IsRefusedWhenItIsCutAnywhere) {
  const std::string file = small_file(GetParam());
  ASSERT_TRUE(parse(file));
  for (size_t size = 0; size < file.size(); size++)
    EXPECT_FALSE(GgufReader::parse(test::prefix_of(file, size), "cut")) << size;
}

/// Asks for everything in every way.
void walk(const GgufReader& gguf) {
  for (const std::string& key : gguf.keys()) {
    (void)gguf.integer(key), (void)gguf.number(key), (void)gguf.boolean(key), (void)gguf.string(key);
    (void)gguf.strings(key), (void)gguf.integers(key), (void)gguf.numbers(key), (void)gguf.describe(key);
  }
}

TEST_P(EachVersion, SurvivesEveryFlippedBit) {
  const std::string file = small_file(GetParam());
  for (size_t bit = 0; bit < file.size() * 8; bit++) {
    auto damaged = test::prefix_of(file, file.size());
    damaged[bit / 8] ^= std::byte{static_cast<unsigned char>(1u << bit % 8)};
    const auto gguf = GgufReader::parse(damaged, "damaged");
    if (!gguf) continue;
    walk(*gguf);
    for (const TensorView& t : gguf->tensors())
      EXPECT_LE(t.bytes.data() + t.bytes.size(), damaged.data() + damaged.size());
  }
}

TEST(GgufReader, DescribesValuesInOneShortLine) {
  const std::string file = small_file(3);
  const GgufReader gguf = *parse(file);
  EXPECT_EQ(gguf.describe("i64"), "-4611686018427387904");
  EXPECT_EQ(gguf.describe("f32"), "1e-05");
  EXPECT_EQ(gguf.describe("f64"), "-0.25");
  EXPECT_EQ(gguf.describe("yes"), "true");
  EXPECT_EQ(gguf.describe("no"), "false");
  EXPECT_EQ(gguf.describe("text"), "phi4flash");
  EXPECT_EQ(gguf.describe("words"), "[3 strings]");
  EXPECT_EQ(gguf.describe("list"), "[-1, 2]");
  EXPECT_EQ(gguf.describe("none"), "[]");
  EXPECT_EQ(gguf.describe("nothing"), "");
}

TEST(GgufReader, ShortensLongArraysAndHidesControlCharactersInDescriptions) {
  GgufBytes file(0, 3);
  file.array("long", GgufType::u8, 9).number(uint64_t{0}).number(uint8_t{0});
  file.key("text", GgufType::string).string("a\x1b" + std::string(200, 'b'));
  file.key("large", GgufType::u64).number(std::numeric_limits<uint64_t>::max());
  const GgufReader gguf = *parse(file);
  EXPECT_EQ(gguf.describe("long"), "[9 values of type u8]");
  EXPECT_EQ(gguf.describe("text"), "a\\x1b" + std::string(78, 'b') + "...");
  EXPECT_EQ(gguf.describe("large"), "18446744073709551615");
}

TEST(GgufReader, NamesTheKeyThatIsMissingOrHasAnotherType) {
  GgufBytes bytes(0, 6);
  bytes.key("text", GgufType::string).string("x").key("f", GgufType::f32).number(1.0f);
  bytes.array("list", GgufType::u32, 1).number(uint32_t{1});
  bytes.key("large", GgufType::u64).number(uint64_t{1} << 63).key("b", GgufType::boolean).number(uint8_t{2});
  bytes.array("larges", GgufType::u64, 1).number(uint64_t{1} << 63);
  const GgufReader gguf = *parse(bytes);
  expect_error(gguf.integer("none"), ErrorCode::not_found, "key 'none' is missing; an integer is needed");
  expect_error(gguf.strings("none"), ErrorCode::not_found, "key 'none' is missing");
  expect_error(gguf.integer("f"), ErrorCode::corrupt, "key 'f' is f32; an integer is needed");
  expect_error(gguf.integer("list"), ErrorCode::corrupt, "key 'list' is an array of u32; an integer");
  expect_error(gguf.integer("large"), ErrorCode::corrupt, "key 'large' is larger");
  expect_error(gguf.integers("larges"), ErrorCode::corrupt, "key 'larges' has an element that is larger");
  expect_error(gguf.number("text"), ErrorCode::corrupt, "key 'text' is string; a number is needed");
  expect_error(gguf.number("b"), ErrorCode::corrupt, "key 'b' is boolean");
  expect_error(gguf.boolean("f"), ErrorCode::corrupt, "a boolean is needed");
  expect_error(gguf.boolean("b"), ErrorCode::corrupt, "key 'b' is 2, neither false");
  expect_error(gguf.string("f"), ErrorCode::corrupt, "a string is needed");
  expect_error(gguf.strings("text"), ErrorCode::corrupt, "an array of strings is needed");
  expect_error(gguf.integers("f"), ErrorCode::corrupt, "an array of integers is needed");
  expect_error(gguf.numbers("text"), ErrorCode::corrupt, "an array of numbers is needed");
}

TEST(GgufReader, RefusesOtherFilesVersionsAndByteOrders) {
  expect_error(parse(""), ErrorCode::corrupt, "byte 0: the file ends inside");
  expect_error(parse("GGML\3\0\0\0"), ErrorCode::corrupt, "not a GGUF file");
  expect_error(parse(GgufBytes(0, 0, 1)), ErrorCode::unsupported, "GGUF version 1; 2 and 3");
  expect_error(parse(GgufBytes(0, 0, 4)), ErrorCode::unsupported, "GGUF version 4");
  expect_error(parse(GgufBytes(0, 0, 0)), ErrorCode::unsupported, "GGUF version 0");
  expect_error(parse(GgufBytes(0, 0, 0x03000000)), ErrorCode::unsupported, "big-endian");
}

TEST(GgufReader, RefusesCountsThatCannotBeTrueBeforeAllocating) {
  const uint64_t most = std::numeric_limits<uint64_t>::max();
  expect_error(parse(GgufBytes(most, 0)), ErrorCode::corrupt, "at most 65536");
  expect_error(parse(GgufBytes(0, 65537)), ErrorCode::corrupt, "at most 65536");
  expect_error(parse(GgufBytes(65536, 0)), ErrorCode::corrupt, "the file ends inside a tensor's name");
  expect_error(parse(GgufBytes(0, 1).array("k", GgufType::u64, most)), ErrorCode::corrupt, "key 'k' has");
  expect_error(parse(GgufBytes(0, 1).array("k", GgufType::u64, most / 8 + 1)), ErrorCode::corrupt,
               "key 'k' has");
  expect_error(parse(GgufBytes(0, 1).array("k", GgufType::string, most)), ErrorCode::corrupt,
               "ends inside key 'k'");
  expect_error(parse(GgufBytes(0, 1).key("k", GgufType::string).number(most)), ErrorCode::corrupt,
               "ends inside key 'k'");
  expect_error(parse(GgufBytes(0, 1).number(uint64_t{65536})), ErrorCode::corrupt,
               "a key is 65536 bytes long");
}

TEST(GgufReader, RefusesUnknownAndNestedTypes) {
  expect_error(parse(GgufBytes(0, 1).string("k").number(uint32_t{13})), ErrorCode::corrupt,
               "key 'k' has the unknown value type 13");
  expect_error(parse(GgufBytes(0, 1).array("k", GgufType::array, 1)), ErrorCode::unsupported,
               "key 'k' is an array of arrays");
}

TEST(GgufReader, RefusesAKeyThatIsThereTwice) {
  GgufBytes file(0, 2);
  for (int i = 0; i < 2; i++) file.key("k", GgufType::u8).number(uint8_t{1});
  expect_error(parse(file), ErrorCode::corrupt, "key 'k' is there twice");
}

/// A file with one tensor "t" and that much data.
GgufBytes one_tensor(const std::vector<uint64_t>& dims, uint32_t type, uint64_t offset, size_t data) {
  return GgufBytes(1, 0).tensor("t", dims, type, offset).pad().data(std::string(data, 'x'));
}

TEST(GgufReader, RefusesShapesThatAreImpossible) {
  const uint64_t large = uint64_t{1} << 62;
  EXPECT_TRUE(parse(one_tensor({2, 1, 1, 2}, kF32, 0, 16)));
  expect_error(parse(one_tensor({}, kF32, 0, 4)), ErrorCode::corrupt, "'t' has 0 dimensions");
  expect_error(parse(one_tensor({1, 1, 1, 1, 1}, kF32, 0, 4)), ErrorCode::corrupt, "'t' has 5 dimensions");
  expect_error(parse(one_tensor({0}, kF32, 0, 0)), ErrorCode::corrupt, "dimension of 0");
  expect_error(parse(one_tensor({large * 2}, kF32, 0, 4)), ErrorCode::corrupt, "impossible dimension");
  expect_error(parse(one_tensor({large, 4}, kF32, 0, 4)), ErrorCode::corrupt, "more elements than");
  expect_error(parse(one_tensor({large}, kF32, 0, 4)), ErrorCode::corrupt, "more bytes than");
  expect_error(parse(one_tensor({33}, kQ8_0, 0, 68)), ErrorCode::corrupt, "rows of 33 elements");
  EXPECT_TRUE(parse(one_tensor({32, 2}, kQ8_0, 0, 68)));
}

TEST(GgufReader, NamesTheTensorWhoseTypeIsNotRead) {
  expect_error(parse(one_tensor({256}, 15, 0, 292)), ErrorCode::unsupported,
               "tensor 't' has type 15; supported are f32 (0), f16 (1), bf16 (30), q8_0 (8), q4_0 (2)");
}

TEST(GgufReader, RefusesTensorsOutsideOfTheFile) {
  expect_error(parse(one_tensor({4}, kF32, 0, 15)), ErrorCode::corrupt, "needs 16 bytes at 0");
  expect_error(parse(one_tensor({4}, kF32, 32, 16)), ErrorCode::corrupt, "needs 16 bytes at 32");
  expect_error(parse(one_tensor({4}, kF32, ~uint64_t{31}, 16)), ErrorCode::corrupt, "needs 16 bytes at");
  expect_error(parse(one_tensor({4}, kF32, 1, 17)), ErrorCode::corrupt, "no multiple of the alignment 32");
}

TEST(GgufReader, RefusesOverlapsHolesRestsAndDuplicates) {
  const auto two = [](const char* name, uint64_t first, uint64_t second, size_t data) {
    return parse(GgufBytes(2, 0)
                     .tensor("t", {9}, kF32, first)
                     .tensor(name, {9}, kF32, second)
                     .pad()
                     .data(std::string(data, 'x')));
  };
  EXPECT_TRUE(two("u", 0, 64, 100));
  expect_error(two("t", 0, 64, 100), ErrorCode::corrupt, "tensor 't' is there twice");
  expect_error(two("u", 0, 32, 100), ErrorCode::corrupt, "tensor 'u' begins at 32");
  expect_error(two("u", 0, 0, 100), ErrorCode::corrupt, "begins at 0, but what lies before it ends at 64");
  expect_error(two("u", 0, 96, 132), ErrorCode::corrupt, "begins at 96, behind a hole");
  expect_error(two("u", 32, 96, 132), ErrorCode::corrupt, "'t' begins at 32, behind a hole");
  EXPECT_TRUE(two("u", 0, 64, 128)) << "with the padding behind the last tensor";
  expect_error(two("u", 0, 64, 129), ErrorCode::corrupt, "1 bytes behind the last tensor");
}

TEST(GgufReader, ReadsAFileWithoutTensorsPaddedOrNot) {
  EXPECT_TRUE(parse(GgufBytes(0, 0)));
  EXPECT_TRUE(parse(GgufBytes(0, 0).pad()));
  expect_error(parse(GgufBytes(0, 0).pad().data("x")), ErrorCode::corrupt, "1 bytes behind the last tensor");
}

TEST(GgufReader, HonoursTheAlignmentOfTheFile) {
  const auto aligned = [](uint32_t alignment, uint64_t second) {
    GgufBytes file(2, 1);
    file.key("general.alignment", GgufType::u32).number(alignment);
    file.tensor("t", {1}, kF32, 0).tensor("u", {1}, kBf16, second);
    return parse(file.pad(std::max(alignment, 1u)).data("0123").pad(std::max(alignment, 1u)).data("ab"));
  };
  EXPECT_TRUE(aligned(8, 8));
  EXPECT_TRUE(aligned(64, 64));
  expect_error(aligned(64, 32), ErrorCode::corrupt, "no multiple of the alignment 64");
  for (const uint32_t bad : {0u, 1u, 4u, 24u, (1u << 20) + 8, 1u << 21})
    expect_error(aligned(bad, 0), ErrorCode::unsupported, "must be a power of two from 8 to");
  expect_error(parse(GgufBytes(0, 1).key("general.alignment", GgufType::string).string("32")),
               ErrorCode::corrupt, "key 'general.alignment' is string");
}

TEST(GgufReader, KeepsTerminalEscapesOutOfMessages) {
  expect_error(parse(GgufBytes(1, 0).tensor("a\x1b[2J\n", {1}, 99, 0)), ErrorCode::unsupported,
               "tensor 'a\\x1b[2J\\x0a'");
}

std::vector<GgufEntry> every_value() {
  return {{"general.architecture", std::string("phi4flash")},
          {"u32", uint32_t{7}},
          {"i32", int32_t{-7}},
          {"f32", 1e-5f},
          {"bool", true},
          {"u64", uint64_t{1} << 40},
          {"strings", std::vector<std::string>{"a", std::string("\0b", 2)}},
          {"i32s", std::vector<int32_t>{-1, 2}},
          {"u32s", std::vector<uint32_t>{1, 4'000'000'000}},
          {"f32s", std::vector<float>{0.5f}},
          {"empty", std::vector<std::string>{}}};
}

TEST(GgufWriter, WritesWhatTheReaderReads) {
  const test::TempFolder folder;
  const std::string path = folder.file("out.gguf");
  auto writer =
      GgufWriter::create(path, every_value(), {{"a", DType::f32, {2, 3}}, {"b", DType::q8_0, {1, 32}}});
  ASSERT_TRUE(writer) << writer.error().message;
  ASSERT_TRUE(writer->write(bytes_of("0123456789")));
  ASSERT_TRUE(writer->write(bytes_of("abcdefghijklmn")));
  ASSERT_TRUE(writer->write(bytes_of(std::string(34, 'q'))));
  const std::string unnamed = test::read_file(writer->inspection_path());
  EXPECT_TRUE(parse(unnamed));
  EXPECT_THAT(folder.names(), Not(testing::Contains("out.gguf")));
  ASSERT_TRUE(writer->commit());

  const std::string file = test::read_file(path);
  EXPECT_EQ(file, unnamed);
  const auto gguf = parse(file);
  ASSERT_TRUE(gguf) << gguf.error().message;
  EXPECT_EQ(gguf->version(), 3u);
  EXPECT_EQ(gguf->keys().size(), 11u);
  EXPECT_EQ(*gguf->string("general.architecture"), "phi4flash");
  EXPECT_EQ(*gguf->integer("u32"), 7);
  EXPECT_EQ(*gguf->integer("i32"), -7);
  EXPECT_EQ(*gguf->number("f32"), double{1e-5f});
  EXPECT_TRUE(*gguf->boolean("bool"));
  EXPECT_EQ(*gguf->integer("u64"), int64_t{1} << 40);
  EXPECT_THAT(*gguf->strings("strings"), ElementsAre("a", std::string_view("\0b", 2)));
  EXPECT_THAT(*gguf->integers("i32s"), ElementsAre(-1, 2));
  EXPECT_THAT(*gguf->integers("u32s"), ElementsAre(1, 4'000'000'000));
  EXPECT_THAT(*gguf->numbers("f32s"), ElementsAre(0.5));
  EXPECT_THAT(*gguf->strings("empty"), IsEmpty());
  ASSERT_EQ(gguf->tensors().size(), 2u);
  const TensorView &a = gguf->tensors()[0], &b = gguf->tensors()[1];
  EXPECT_THAT(a.shape, ElementsAre(2, 3));
  EXPECT_EQ(std::string_view(reinterpret_cast<const char*>(a.bytes.data()), a.bytes.size()),
            "0123456789abcdefghijklmn");
  EXPECT_EQ(b.type, DType::q8_0);
  EXPECT_EQ(static_cast<char>(b.bytes[33]), 'q');
  EXPECT_EQ((b.bytes.data() - bytes_of(file).data()) % kGgufDefaultAlignment, 0);
  EXPECT_EQ(file.size() % kGgufDefaultAlignment, 0u);
}

TEST(GgufWriter, HeaderSaysWhereTheTensorsWillBe) {
  const GgufHeader header = make_gguf_header({}, {{"a", DType::bf16, {3}}, {"b", DType::f32, {1}}});
  ASSERT_EQ(header.tensor_offsets.size(), 2u);
  EXPECT_EQ(header.tensor_offsets[0], static_cast<int64_t>(header.bytes.size()));
  EXPECT_EQ(header.tensor_offsets[1], header.tensor_offsets[0] + 32);
  EXPECT_THAT(header.tensor_bytes, ElementsAre(6, 4));
  EXPECT_EQ(header.file_bytes, header.tensor_offsets[1] + 32);
}

TEST(GgufWriter, RefusesToCommitWhatIsNotComplete) {
  const test::TempFolder folder;
  auto writer = GgufWriter::create(folder.file("out"), {}, {{"a", DType::f32, {1}}, {"b", DType::f32, {1}}});
  ASSERT_TRUE(writer);
  ASSERT_TRUE(writer->write(bytes_of("0123")));
  const auto status = writer->commit();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::internal);
}

TEST(GgufWriterDeathTest, APieceThatCrossesTheEndOfATensorIsABug) {
  const test::TempFolder folder;
  auto writer = GgufWriter::create(folder.file("out"), {}, {{"a", DType::f32, {1}}, {"b", DType::f32, {1}}});
  ASSERT_TRUE(writer);
  EXPECT_DEATH((void)writer->write(bytes_of("01234")), "bug at");
}

}  // namespace
}  // namespace sambay
