#include "formats/safetensors.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "support/format_bytes.h"
#include "support/temp_folder.h"

namespace sambay {
namespace {

using test::bytes_of;
using test::safetensors_bytes;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

Result<std::vector<TensorView>> parse(std::string_view file) {
  return parse_safetensors(bytes_of(file), "model.safetensors");
}
Result<std::vector<TensorView>> parse(std::string_view header, std::string_view data) {
  static std::string file;  // the views point into it
  file = safetensors_bytes(header, data);
  return parse(file);
}

std::string entry(std::string_view name, std::string_view type, std::string_view shape, std::string_view at) {
  return fmt::format(R"("{}":{{"dtype":"{}","shape":{},"data_offsets":{}}})", name, type, shape, at);
}

/// One tensor of every type, an empty one, metadata, and the blanks that writers pad with.
std::string small_file() {
  return safetensors_bytes(
      "{" + entry("last", "I32", "[1]", "[14,18]") + R"(,"__metadata__":{"format":"pt","x":""},)" +
          entry("a", "F32", "[]", "[0,4]") + "," + entry("b", "BF16", "[2,2]", "[4,12]") + "," +
          entry("empty", "F32", "[0,7]", "[4,4]") + "," + entry("c", "F16", "[1,1,1]", "[12,14]") + "}   ",
      "0123456789abcdefgh");
}

void expect_error(const Result<std::vector<TensorView>>& result, ErrorCode code, std::string_view part) {
  ASSERT_FALSE(result) << part;
  EXPECT_EQ(result.error().code, code) << result.error().message;
  EXPECT_THAT(result.error().message,
              AllOf(StartsWith("model.safetensors: "), HasSubstr(std::string(part)), Not(HasSubstr("\n"))));
}

TEST(Safetensors, GivesTensorsInTheOrderOfTheirBytes) {
  const std::string file = small_file();
  const auto tensors = parse(file);
  ASSERT_TRUE(tensors) << tensors.error().message;
  std::vector<std::string> names;
  for (const TensorView& t : *tensors) names.push_back(t.name);
  EXPECT_THAT(names, ElementsAre("a", "empty", "b", "c", "last"));
  const TensorView& b = (*tensors)[2];
  EXPECT_EQ(b.type, DType::bf16);
  EXPECT_THAT(b.shape, ElementsAre(2, 2));
  EXPECT_EQ(b.element_count(), 4);
  EXPECT_EQ(std::string_view(reinterpret_cast<const char*>(b.bytes.data()), b.bytes.size()), "456789ab");
  EXPECT_EQ((*tensors)[1].element_count(), 0);
  EXPECT_EQ((*tensors)[3].type, DType::f16);
  EXPECT_EQ((*tensors)[4].type, DType::i32);
}

TEST(Safetensors, ReadsAFileWithoutTensors) {
  const auto tensors = parse("{}", "");
  ASSERT_TRUE(tensors);
  EXPECT_THAT(*tensors, IsEmpty());
}

TEST(Safetensors, RefusesAFileThatIsCutAnywhere) {
  const std::string file = small_file();
  ASSERT_TRUE(parse(file));
  for (size_t size = 0; size < file.size(); size++) {
    const auto cut = test::prefix_of(file, size);
    EXPECT_FALSE(parse_safetensors(cut, "cut")) << size;
  }
}

TEST(Safetensors, SurvivesEveryFlippedBit) {
  const std::string file = small_file();
  for (size_t bit = 0; bit < file.size() * 8; bit++) {
    auto damaged = test::prefix_of(file, file.size());
    damaged[bit / 8] ^= std::byte{static_cast<unsigned char>(1u << bit % 8)};
    const auto tensors = parse_safetensors(damaged, "damaged");
    if (!tensors) continue;
    size_t total = 0;  // whatever was accepted lies inside the file
    for (const TensorView& t : *tensors) total += t.bytes.size();
    EXPECT_LE(total, file.size());
  }
}

TEST(Safetensors, RefusesWrongHeaderLengths) {
  expect_error(parse(""), ErrorCode::corrupt, "0 bytes are too few");
  expect_error(parse(std::string(8, '\xff')), ErrorCode::corrupt, "header length 18446744073709551615");
  expect_error(parse(std::string("\x00\xe1\xf5\x05\0\0\0\0", 8)), ErrorCode::corrupt, "truncated");
  expect_error(parse(std::string("\x01\xe1\xf5\x05\0\0\0\0", 8)), ErrorCode::corrupt, "at most 100000000");
  expect_error(parse(std::string(8, '\0')), ErrorCode::corrupt, "does not start with '{'");
}

TEST(Safetensors, RefusesHeadersThatAreNotTheFormatsJson) {
  for (const char* header :
       {"{", "{}}", "{\"a\"", " {}", "[]", "{\"a\":1}", "{\"a\":[]}", "{\"a\":\"F32\"}", "{\"a\":null}",
        "{\"a\":true}", "{\"a\":{}}", "{\"__metadata__\":1}", "{\"__metadata__\":{\"a\":1}}",
        "{\"__metadata__\":{\"a\":{}}}", "{\"__metadata__\":{\"a\":[]}}", "{\"\xff\":{}}", "{}// comment"})
    expect_error(parse(header, ""), ErrorCode::corrupt, "header");
  expect_error(parse(std::string_view("{}\0x", 4), ""), ErrorCode::corrupt, "zero byte");
}

TEST(Safetensors, RefusesFieldsOfTheWrongKind) {
  for (const char* fields :
       {R"("dtype":1)", R"("dtype":["F32"])", R"("dtype":{})", R"("shape":1)", R"("shape":"1")",
        R"("shape":{})", R"("shape":[-1])", R"("shape":[1.5])", R"("shape":[1e3])", R"("shape":["1"])",
        R"("shape":[[1]])", R"("shape":[null])", R"("shape":[18446744073709551616])", R"("data_offsets":0)",
        R"("dtype":"F32","dtype":"F32")", R"("dtype":"F32","shape":[1])"})
    expect_error(parse(fmt::format(R"({{"name":{{{}}}}})", fields), "1234"), ErrorCode::corrupt,
                 "tensor 'name': ");
  expect_error(parse(R"({"name":{"color":1}})", ""), ErrorCode::unsupported, "unknown field 'color'");
}

TEST(Safetensors, NamesTheTensorWhoseTypeIsNotRead) {
  for (const char* type : {"I64", "BOOL", "F64", "F8_E4M3", "U8", "", "f32"})
    expect_error(parse("{" + entry("odd", type, "[]", "[0,8]") + "}", "12345678"), ErrorCode::unsupported,
                 fmt::format("tensor 'odd': type {} is not read", type));
}

TEST(Safetensors, RefusesOffsetsThatContradictTheFileOrTheShape) {
  const auto with_offsets = [](std::string_view at, std::string_view shape = "[1]") {
    return parse("{" + entry("t", "F32", shape, at) + "}", "1234");
  };
  EXPECT_TRUE(with_offsets("[0,4]"));
  expect_error(with_offsets("[0,5]"), ErrorCode::corrupt, "beyond the 4 bytes");
  expect_error(with_offsets("[0,18446744073709551615]"), ErrorCode::corrupt, "beyond the 4 bytes");
  expect_error(with_offsets("[18446744073709551612,4]"), ErrorCode::corrupt, "end before they begin");
  expect_error(with_offsets("[4,0]"), ErrorCode::corrupt, "end before they begin");
  expect_error(with_offsets("[0]"), ErrorCode::corrupt, "has 1 entries");
  expect_error(with_offsets("[0,4,4]"), ErrorCode::corrupt, "has 3 entries");
  expect_error(with_offsets("[0,4]", "[2]"), ErrorCode::corrupt, "hold 4 bytes, but [2] of F32 needs 8");
}

TEST(Safetensors, RefusesShapesThatOverflow) {
  for (const char* shape : {"[9223372036854775808]", "[9223372036854775807]", "[4611686018427387904,4]",
                            "[4294967296,4294967296]", "[4611686018427387904,4611686018427387904,0]",
                            "[0,4611686018427387904,4611686018427387904]"})
    expect_error(parse("{" + entry("t", "F32", shape, "[0,0]") + "}", ""), ErrorCode::corrupt,
                 "tensor 't': ");
}

TEST(Safetensors, StatesItsLimits) {
  expect_error(parse("{" + entry("t", "F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]") + "}", "1234"),
               ErrorCode::unsupported, "more than 8 entries");
  expect_error(parse("{" + entry(std::string(1025, 'n'), "F32", "[1]", "[0,4]") + "}", "1234"),
               ErrorCode::unsupported, "a tensor name of 1025 bytes; at most 1024");
  std::string many = "{";
  for (size_t i = 0; i <= kSafetensorsMaxTensors; i++)
    many += fmt::format("{}{}", i == 0 ? "" : ",", entry(fmt::format("t{}", i), "F32", "[0]", "[0,0]"));
  expect_error(parse(many + "}", ""), ErrorCode::unsupported, "more than 65536 tensors");
}

TEST(Safetensors, RefusesOverlapsHolesAndRests) {
  const auto two = [](std::string_view first, std::string_view second) {
    return parse("{" + entry("x", "F32", "[1]", first) + "," + entry("y", "F32", "[1]", second) + "}",
                 "0123456789ab");
  };
  expect_error(two("[0,4]", "[2,6]"), ErrorCode::corrupt, "tensor 'y': overlaps tensor 'x' at byte 2");
  expect_error(two("[0,4]", "[0,4]"), ErrorCode::corrupt, "overlaps");
  expect_error(two("[0,4]", "[8,12]"), ErrorCode::corrupt, "tensor 'y': a hole of 4 bytes");
  expect_error(two("[4,8]", "[8,12]"), ErrorCode::corrupt, "tensor 'x': a hole of 4 bytes");
  expect_error(two("[0,4]", "[4,8]"), ErrorCode::corrupt, "4 bytes behind the last tensor");
}

TEST(Safetensors, RefusesATensorThatStandsInTheHeaderTwice) {
  expect_error(parse("{" + entry("x", "F32", "[1]", "[0,4]") + "," + entry("x", "F32", "[1]", "[4,8]") + "}",
                     "01234567"),
               ErrorCode::corrupt, "tensor 'x': stands in the header twice");
}

TEST(Safetensors, KeepsTerminalEscapesOutOfMessages) {
  expect_error(parse("{" + entry("\\u001b[2J\\n", "F64", "[1]", "[0,8]") + "}", "01234567"),
               ErrorCode::unsupported, "tensor '\\x1b[2J\\x0a'");
}

TEST(Safetensors, DoesNotOverflowTheStackOnDeepNesting) {
  expect_error(parse(R"({"a":)" + std::string(10'000'000, '['), ""), ErrorCode::corrupt, "a list");
  std::string objects = R"({"__metadata__":)";
  for (int i = 0; i < 1'000'000; i++) objects += R"({"a":)";
  expect_error(parse(objects, ""), ErrorCode::corrupt, "an object");
}

TEST(SafetensorsIndex, MapsTensorsToShards) {
  const auto index = parse_safetensors_index(
      R"({"metadata":{"total_size":8,"more":[{"weight_map":{"no":1}}]},"weight_map":{"a":"x-1","b":"x-2"}})",
      "i");
  ASSERT_TRUE(index) << index.error().message;
  EXPECT_THAT(*index, ElementsAre(std::pair("a", "x-1"), std::pair("b", "x-2")));
}

void expect_index_error(std::string_view json, std::string_view part, ErrorCode code = ErrorCode::corrupt) {
  const auto index = parse_safetensors_index(json, "index.json");
  ASSERT_FALSE(index) << json.substr(0, 100);
  EXPECT_EQ(index.error().code, code);
  EXPECT_THAT(index.error().message, AllOf(StartsWith("index.json: "), HasSubstr(std::string(part))));
}

TEST(SafetensorsIndex, RefusesWhatIsNoIndex) {
  expect_index_error("", "not valid JSON");
  expect_index_error("{", "not valid JSON");
  expect_index_error(R"({"weight_map":{"a":"b"}} x)", "not valid JSON");
  expect_index_error("[]", "an object with a weight_map");
  expect_index_error("1", "an object with a weight_map");
  expect_index_error("{}", "a weight_map that names");
  expect_index_error(R"({"weight_map":{}})", "a weight_map that names");
  expect_index_error(R"({"a":{"weight_map":{"b":"c"}}})", "a weight_map that names");
  expect_index_error(R"({"weight_map":1})", "an object is needed");
  expect_index_error(R"({"weight_map":"x"})", "an object is needed");
  expect_index_error(R"({"weight_map":["x"]})", "an object is needed");
  expect_index_error(R"({"weight_map":{"a":1}})", "'a': a file name is needed");
  expect_index_error(R"({"weight_map":{"a":{}}})", "'a': a file name is needed");
  expect_index_error(R"({"weight_map":{"a":["b"]}})", "'a': a file name is needed");
  expect_index_error(std::string_view("{\"weight_map\":{\"a\":\"b\"}}\0x", 25), "zero byte");
}

TEST(SafetensorsIndex, RefusesNamesThatComeTwice) {
  expect_index_error(R"({"weight_map":{"a":"x","a":"y"}})", "'a' stands there twice");
  expect_index_error(R"({"weight_map":{"a":"x"},"weight_map":{"b":"y"}})", "weight_map stands there twice");
}

TEST(SafetensorsIndex, RefusesShardsOutsideOfTheFolder) {
  for (const char* shard : {"../x", "/etc/passwd", "a/b", "a\\\\b", ".", "..", "", "x\\u0000y"})
    expect_index_error(fmt::format(R"({{"weight_map":{{"a":"{}"}}}})", shard), "is not the name of a file");
  expect_index_error(fmt::format(R"({{"weight_map":{{"a":"{}"}}}})", std::string(256, 'n')),
                     "is not the name of a file");
}

TEST(SafetensorsIndex, StatesItsLimits) {
  std::string shards, tensors;
  for (size_t i = 0; i <= kSafetensorsMaxTensors; i++) {
    if (i <= kSafetensorsMaxShards) shards += fmt::format(R"({}"t{}":"s{}")", i == 0 ? "" : ",", i, i);
    tensors += fmt::format(R"({}"t{}":"s")", i == 0 ? "" : ",", i);
  }
  expect_index_error(R"({"weight_map":{)" + shards + "}}", "more than 1000", ErrorCode::unsupported);
  expect_index_error(R"({"weight_map":{)" + tensors + "}}", "more than 65536", ErrorCode::unsupported);
  expect_index_error(fmt::format(R"({{"weight_map":{{"{}":"x"}}}})", std::string(1025, 'n')),
                     "a tensor name of 1025 bytes", ErrorCode::unsupported);
}

TEST(SafetensorsIndex, DoesNotOverflowTheStackOnDeepNesting) {
  expect_index_error(R"({"a":)" + std::string(10'000'000, '['), "nested deeper than 64");
}

TEST(SafetensorsWriter, WritesWhatTheReaderReads) {
  const test::TempFolder folder;
  const std::string path = folder.file("out.safetensors");
  {
    auto writer = SafetensorsWriter::create(path, {{"logits", DType::f32, {2, 3}},
                                                   {"ids \"\\\n", DType::i32, {1}},
                                                   {"half", DType::f16, {2}},
                                                   {"brain", DType::bf16, {1, 2}}});
    ASSERT_TRUE(writer) << writer.error().message;
    ASSERT_TRUE(writer->write(bytes_of("0123456789")));
    EXPECT_EQ(writer->appended(), 10);
    ASSERT_TRUE(writer->write(bytes_of("abcdefghijklmnop----yz")));
    ASSERT_TRUE(writer->write(bytes_of("??++")));
    ASSERT_TRUE(writer->write_at(26, bytes_of("qrst")));
    EXPECT_EQ(writer->appended(), 36);
    ASSERT_TRUE(writer->finish());
  }
  const std::string file = test::read_file(path);
  const auto tensors = parse(file);
  ASSERT_TRUE(tensors) << tensors.error().message;
  ASSERT_EQ(tensors->size(), 4u);
  EXPECT_EQ((*tensors)[1].name, "ids \"\\\n");
  EXPECT_EQ((*tensors)[1].type, DType::i32);
  EXPECT_THAT((*tensors)[0].shape, ElementsAre(2, 3));
  EXPECT_EQ((*tensors)[3].type, DType::bf16);
  EXPECT_EQ(file.substr(file.size() - 36), "0123456789abcdefghijklmnopqrstyz??++");
  EXPECT_EQ((file.size() - 36) % 8, 0u) << "data are aligned";
}

TEST(SafetensorsWriter, RefusesToFinishWhatIsNotComplete) {
  const test::TempFolder folder;
  for (const char* content : {"", "123", "12345"}) {
    auto writer = SafetensorsWriter::create(folder.file("out"), {{"x", DType::f32, {1}}});
    ASSERT_TRUE(writer);
    ASSERT_TRUE(writer->write(bytes_of(content)));
    const auto status = writer->finish();
    ASSERT_FALSE(status) << content;
    EXPECT_EQ(status.error().code, ErrorCode::internal);
  }
  EXPECT_THAT(folder.names(), IsEmpty());
}

TEST(SafetensorsWriter, RefusesWhatTheFormatCannotSay) {
  const test::TempFolder folder;
  using Entries = std::vector<SafetensorsWriter::Entry>;
  for (const Entries& entries :
       {Entries{{"q", DType::q8_0, {32}}}, Entries{{"n", DType::f32, {-1}}},
        Entries{{"x", DType::f32, {1}}, {"x", DType::f32, {1}}}, Entries{{"big", DType::f32, {INT64_MAX}}}}) {
    const auto writer = SafetensorsWriter::create(folder.file("out"), entries);
    ASSERT_FALSE(writer);
    EXPECT_EQ(writer.error().code, ErrorCode::internal);
  }
}

TEST(SafetensorsWriter, WriteAtStaysBehindTheHeader) {
  const test::TempFolder folder;
  auto writer = SafetensorsWriter::create(folder.file("out"), {{"x", DType::f32, {1}}});
  ASSERT_TRUE(writer);
  EXPECT_FALSE(writer->write_at(-8, bytes_of("12345678")));
}

}  // namespace
}  // namespace sambay
