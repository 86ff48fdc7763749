#include "formats/checkpoint.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "sambay/embedded_model.h"
#include "support/format_bytes.h"
#include "support/temp_folder.h"

namespace sambay {
namespace {

using test::bytes_of;
using test::GgufBytes;
using test::safetensors_bytes;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

/// A safetensors file with one float under each name.
std::string weights(const std::vector<std::string>& names) {
  std::string header, data;
  for (const std::string& name : names) {
    header += fmt::format(R"({}"{}":{{"dtype":"F32","shape":[1],"data_offsets":[{},{}]}})",
                          header.empty() ? "" : ",", name, data.size(), data.size() + 4);
    data += name.substr(0, 1) + "234";
  }
  return safetensors_bytes("{" + header + "}", data);
}

std::string small_gguf() {
  GgufBytes file(1, 1);
  file.key("general.architecture", GgufType::string).string("phi4flash");
  return file.tensor("t", {1}, 0, 0).pad().data("1234").bytes();
}

class CheckpointTest : public ::testing::Test {
 protected:
  void expect_error(const std::string& path, ErrorCode code, const std::string& part) {
    const auto checkpoint = Checkpoint::open(path);
    ASSERT_FALSE(checkpoint) << part;
    EXPECT_EQ(checkpoint.error().code, code) << checkpoint.error().message;
    EXPECT_THAT(checkpoint.error().message, AllOf(StartsWith(path), HasSubstr(part), Not(HasSubstr("\n"))));
  }
  /// A folder with two shards and an index that fits them.
  void write_shards() {
    folder_.write("config.json", "{}");
    folder_.write("model-1.safetensors", weights({"a", "b"}));
    folder_.write("model-2.safetensors", weights({"c"}));
    write_index(R"("a":"model-1.safetensors","b":"model-1.safetensors","c":"model-2.safetensors")");
  }
  void write_index(const std::string& map) {
    folder_.write("model.safetensors.index.json", R"({"weight_map":{)" + map + "}}");
  }
  const test::TempFolder folder_;
};

TEST_F(CheckpointTest, OpensAFolderWithOneFileAndItsTexts) {
  folder_.write("config.json", "{\"a\":1}");
  folder_.write("model.safetensors", weights({"a", "b"}));
  folder_.write("tokenizer.json", "tokens");
  folder_.write("chat_template.jinja", "");
  auto opened = Checkpoint::open(folder_.path());
  ASSERT_TRUE(opened) << opened.error().message;
  const Checkpoint checkpoint = *std::move(opened);
  EXPECT_EQ(checkpoint.kind(), CheckpointKind::hugging_face);
  EXPECT_EQ(checkpoint.name(), folder_.path());
  EXPECT_EQ(checkpoint.text().config, "{\"a\":1}");
  EXPECT_EQ(checkpoint.text().tokenizer, "tokens");
  EXPECT_EQ(checkpoint.text().chat_template, "");
  EXPECT_FALSE(checkpoint.text().tokenizer_config);
  EXPECT_FALSE(checkpoint.text().generation_config);
  ASSERT_NE(checkpoint.find("b"), nullptr);
  EXPECT_EQ(static_cast<char>(checkpoint.find("b")->bytes[0]), 'b');
  EXPECT_EQ(checkpoint.find("c"), nullptr);
  EXPECT_EQ(checkpoint.file_bytes(), static_cast<int64_t>(weights({"a", "b"}).size()));
}

TEST_F(CheckpointTest, OpensASafetensorsFileBesideItsConfig) {
  folder_.write("config.json", "{}");
  folder_.write("other.safetensors", weights({"a"}));
  const auto checkpoint = Checkpoint::open(folder_.file("other.safetensors"));
  ASSERT_TRUE(checkpoint) << checkpoint.error().message;
  EXPECT_EQ(checkpoint->tensors().size(), 1u);
  EXPECT_EQ(checkpoint->name(), folder_.file("other.safetensors"));
}

TEST_F(CheckpointTest, OpensShardsAsOne) {
  write_shards();
  const auto checkpoint = Checkpoint::open(folder_.path() + "/");
  ASSERT_TRUE(checkpoint) << checkpoint.error().message;
  EXPECT_EQ(checkpoint->tensors().size(), 3u);
  ASSERT_NE(checkpoint->find("c"), nullptr);
  EXPECT_EQ(static_cast<char>(checkpoint->find("c")->bytes[0]), 'c');
  EXPECT_EQ(checkpoint->file_bytes(),
            static_cast<int64_t>(weights({"a", "b"}).size() + weights({"c"}).size()));
}

TEST_F(CheckpointTest, TellsGgufByItsFirstBytesNotByItsName) {
  folder_.write("model.bin", small_gguf());
  auto opened = Checkpoint::open(folder_.file("model.bin"));
  ASSERT_TRUE(opened) << opened.error().message;
  const Checkpoint checkpoint = *std::move(opened);
  EXPECT_EQ(checkpoint.kind(), CheckpointKind::gguf);
  EXPECT_EQ(*checkpoint.gguf().string("general.architecture"), "phi4flash");
  EXPECT_EQ(checkpoint.find("t")->bytes.size(), 4u);
  EXPECT_EQ(checkpoint.file_bytes(), static_cast<int64_t>(small_gguf().size()));
}

TEST_F(CheckpointTest, OpensTheEmbeddedModelUnderTheEmptyName) {
  const auto before = embedded_model();
  set_embedded_model({});
  const auto none = Checkpoint::open("");
  const std::string gguf = small_gguf();
  set_embedded_model(bytes_of(gguf));
  const auto embedded = Checkpoint::open("");
  set_embedded_model(before);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, ErrorCode::not_found);
  EXPECT_THAT(none.error().message, HasSubstr("carries no model"));
  ASSERT_TRUE(embedded) << embedded.error().message;
  EXPECT_EQ(embedded->name(), "embedded model");
}

TEST_F(CheckpointTest, SaysWhatAFolderNeeds) {
  expect_error(folder_.file("none"), ErrorCode::not_found, "no such file or folder");
  expect_error(folder_.path(), ErrorCode::not_found,
               "there is no config.json; a model folder holds config.json and model.safetensors");
  folder_.write("config.json", "{}");
  expect_error(folder_.path(), ErrorCode::not_found, "no weights: model.safetensors, or");
}

TEST_F(CheckpointTest, HintsAtWhatTheFolderHoldsInstead) {
  folder_.write("pytorch_model.bin", "x");
  expect_error(folder_.path(), ErrorCode::not_found, "pytorch_model.bin is not read");
  folder_.write("b.gguf", small_gguf());
  folder_.write("a.gguf", small_gguf());
  expect_error(folder_.path(), ErrorCode::not_found, "it holds a.gguf: give that file");
}

TEST_F(CheckpointTest, RefusesFilesThatAreNoModel) {
  folder_.write("empty", "");
  folder_.write("model.safetensors", weights({"a"}));
  folder_.write("text", "GGU");
  expect_error(folder_.file("empty"), ErrorCode::unsupported, "neither a GGUF file");
  expect_error(folder_.file("text"), ErrorCode::unsupported, "neither a GGUF file");
  const auto no_config = Checkpoint::open(folder_.file("model.safetensors"));
  ASSERT_FALSE(no_config);
  EXPECT_THAT(no_config.error().message, HasSubstr("there is no config.json"));
}

TEST_F(CheckpointTest, NamesTheShardThatIsMissing) {
  write_shards();
  std::filesystem::remove(folder_.file("model-2.safetensors"));
  expect_error(folder_.path(), ErrorCode::not_found,
               "/model-2.safetensors: this shard is missing; model.safetensors.index.json places 1 tensors");
  ASSERT_EQ(::mkdir(folder_.file("model-2.safetensors").c_str(), 0700), 0);
  expect_error(folder_.path(), ErrorCode::not_found, "/model-2.safetensors: is a folder");
}

TEST_F(CheckpointTest, NamesTheTensorThatTheShardLacks) {
  write_shards();
  folder_.write("model-1.safetensors", weights({"a"}));
  expect_error(folder_.path(), ErrorCode::corrupt,
               "/model-1.safetensors: lacks tensor 'b', which model.safetensors.index.json places in it");
}

TEST_F(CheckpointTest, NamesTheTensorThatTheIndexDoesNotName) {
  write_shards();
  folder_.write("model-2.safetensors", weights({"c", "d"}));
  expect_error(folder_.path(), ErrorCode::corrupt, "/model-2.safetensors: holds tensor 'd', which");
}

TEST_F(CheckpointTest, NamesTheTensorThatIsInAnotherShardThanTheIndexSays) {
  write_shards();
  write_index(R"("a":"model-1.safetensors","b":"model-2.safetensors","c":"model-2.safetensors")");
  expect_error(folder_.path(), ErrorCode::corrupt,
               "holds tensor 'b', which model.safetensors.index.json places in "
               "model-2.safetensors");
}

TEST_F(CheckpointTest, NamesTheTensorThatTwoShardsHold) {
  write_shards();
  folder_.write("model-2.safetensors", weights({"c", "a"}));
  expect_error(folder_.path(), ErrorCode::corrupt,
               "/model-2.safetensors: holds tensor 'a', which another shard");
}

TEST_F(CheckpointTest, NamesTheFileThatIsCutAtAnyByte) {
  write_shards();
  for (const auto& [name, content] :
       {std::pair<std::string, std::string>("model-2.safetensors", weights({"c"})),
        {"model.safetensors.index.json", test::read_file(folder_.file("model.safetensors.index.json"))}}) {
    for (size_t size = 0; size < content.size(); size++) {
      folder_.write(name, std::string_view(content).substr(0, size));
      expect_error(folder_.path(), ErrorCode::corrupt, "/" + name + ": ");
    }
    folder_.write(name, content);
  }
  EXPECT_TRUE(Checkpoint::open(folder_.path()));
}

TEST_F(CheckpointTest, RefusesTextFilesBeyondTheLimitWithoutReadingThem) {
  folder_.write("model.safetensors", weights({"a"}));
  folder_.write("config.json", "{}");
  for (const auto& [name, limit] : {std::pair<std::string, off_t>("config.json", 1 << 20),
                                    {"generation_config.json", 1 << 20},
                                    {"chat_template.jinja", 1 << 20},
                                    {"tokenizer.json", 64 << 20},
                                    {"tokenizer_config.json", 64 << 20}}) {
    folder_.write(name, "{}");
    ASSERT_EQ(::truncate(folder_.file(name).c_str(), limit), 0);  // sparse
    EXPECT_TRUE(Checkpoint::open(folder_.path())) << name;
    ASSERT_EQ(::truncate(folder_.file(name).c_str(), limit + 1), 0);
    expect_error(folder_.path(), ErrorCode::unsupported, fmt::format("/{}: has {} bytes", name, limit + 1));
    folder_.write(name, "{}");
  }
}

TEST_F(CheckpointTest, RefusesASideFileThatIsAFolder) {
  folder_.write("config.json", "{}");
  folder_.write("model.safetensors", weights({"a"}));
  ASSERT_EQ(::mkdir(folder_.file("tokenizer.json").c_str(), 0700), 0);
  expect_error(folder_.path(), ErrorCode::not_found, "/tokenizer.json: is a folder");
}

TEST_F(CheckpointTest, NamesTheDamagedGguf) {
  folder_.write("m.gguf", small_gguf().substr(0, 40));
  expect_error(folder_.file("m.gguf"), ErrorCode::corrupt, "m.gguf: byte ");
}

TEST(CheckpointDeathTest, AskingAGgufForItsTextIsABug) {
  const std::string gguf = small_gguf();
  const Checkpoint checkpoint = *Checkpoint::from_gguf_memory(bytes_of(gguf), "memory");
  EXPECT_EQ(checkpoint.name(), "memory");
  EXPECT_DEATH((void)checkpoint.text(), "bug at");
}

// ---- checkpoint_files ----

TEST_F(CheckpointTest, FilesAreTheWeightsAndTheSideFiles) {
  folder_.write("model.safetensors", "");
  write_shards();  // which nobody reads beside a model.safetensors
  EXPECT_THAT(checkpoint_files(folder_.path()),
              AllOf(Contains(folder_.file("model.safetensors")), Contains(folder_.file("config.json")),
                    Contains(folder_.file("tokenizer.json")), Not(Contains(EndsWith("model-1.safetensors"))),
                    Not(Contains(EndsWith("imatrix.safetensors")))));
  EXPECT_THAT(checkpoint_files(folder_.file("other.safetensors")),
              AllOf(Contains(folder_.file("other.safetensors")), Contains(folder_.file("config.json")),
                    Not(Contains(folder_.file("model.safetensors")))));
  EXPECT_THAT(checkpoint_files(folder_.file("x.gguf")), ElementsAre(folder_.file("x.gguf")));
}

TEST_F(CheckpointTest, FilesOfAShardedModelAreItsShards) {
  write_shards();
  EXPECT_THAT(checkpoint_files(folder_.path()), AllOf(Contains(folder_.file("model.safetensors.index.json")),
                                                      Contains(folder_.file("model-1.safetensors")),
                                                      Contains(folder_.file("model-2.safetensors"))));
  folder_.write("model.safetensors.index.json", "{");
  EXPECT_THAT(checkpoint_files(folder_.path()), Not(Contains(EndsWith("model-1.safetensors"))));
}

}  // namespace
}  // namespace sambay
