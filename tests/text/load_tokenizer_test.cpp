// Stop tokens, template and sampling defaults out of a folder's side files.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>

#include "formats/gguf_writer.h"
#include "support/tokenizers.h"

namespace sambay {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;
using Ids = std::vector<TokenId>;

/// A model folder with the tiny tokenizer in it; removed at the end.
class Folder {
 public:
  Folder() : path_(testing::TempDir() + "sambay_load_" + std::to_string(::getpid())) {
    fs::remove_all(path_);
    fs::create_directory(path_);
    for (const char* file : {"config.json", "model.safetensors"})
      fs::create_symlink(SAMBAY_TEST_DATA "/golden/a_f32/" + std::string(file), path_ + "/" + file);
    write("tokenizer.json", test::tiny_tokenizer_json().dump());
  }
  ~Folder() { fs::remove_all(path_); }
  void write(const std::string& file, const std::string& text) { std::ofstream(path_ + "/" + file) << text; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class LoadTokenizer : public ::testing::Test {
 protected:
  Result<TokenizerData> load() {
    const auto checkpoint = Checkpoint::open(folder.path());
    EXPECT_TRUE(checkpoint) << checkpoint.error().message;
    return load_tokenizer_data(*checkpoint);
  }
  GenerationDefaults defaults(const std::string& generation_config) {
    folder.write("generation_config.json", generation_config);
    return load_generation_defaults(*Checkpoint::open(folder.path()));
  }
  void expect_error(ErrorCode code, const char* message) {
    const auto data = load();
    ASSERT_FALSE(data);
    EXPECT_EQ(data.error().code, code);
    EXPECT_THAT(data.error().message, HasSubstr(message));
    EXPECT_THAT(data.error().message, HasSubstr(folder.path()));
  }
  Folder folder;
};

TEST_F(LoadTokenizer, StopIdsComeFromTheGenerationConfig) {
  folder.write("generation_config.json", R"({"eos_token_id": [261, 267, 261]})");
  EXPECT_EQ(load()->stop_ids, (Ids{261, 267}));
  folder.write("generation_config.json", R"({"eos_token_id": 267})");
  EXPECT_EQ(load()->stop_ids, (Ids{267}));  // no template says that <|end|> is used
}

TEST_F(LoadTokenizer, EndOfTurnStopsWhenTheTemplateWritesIt) {
  folder.write("generation_config.json", R"({"eos_token_id": 267})");
  folder.write("tokenizer_config.json", R"({"chat_template": "{{ '<|end|>' }}"})");
  EXPECT_EQ(load()->stop_ids, (Ids{261, 267}));
  folder.write("generation_config.json", R"({"eos_token_id": [267]})");
  EXPECT_EQ(load()->stop_ids, (Ids{261, 267}));
}

TEST_F(LoadTokenizer, WithoutGenerationConfigTheTokenizerSaysWhatStops) {
  EXPECT_EQ(load()->stop_ids, (Ids{261}));
  folder.write("tokenizer_config.json",
               R"({"eos_token": "<|endoftext|>", "pad_token": {"content": "<pad>"}})");
  const auto data = load();
  EXPECT_EQ(data->stop_ids, (Ids{261, 267}));
  EXPECT_EQ(data->eos_id, 267);
  EXPECT_EQ(data->pad_id, 262);
  EXPECT_EQ(data->bos_id, std::nullopt);
}

TEST_F(LoadTokenizer, TheTemplateFileGoesBeforeTheOneInTheConfig) {
  folder.write("tokenizer_config.json", R"({"chat_template": "in config"})");
  EXPECT_EQ(load()->chat_template, "in config");
  folder.write("chat_template.jinja", "in file");
  EXPECT_EQ(load()->chat_template, "in file");
}

TEST_F(LoadTokenizer, OfNamedTemplatesTheDefaultIsTaken) {
  folder.write("tokenizer_config.json", R"({"chat_template": [{"name": "tool_use", "template": "a"},
                                                              {"name": "default", "template": "b"}]})");
  EXPECT_EQ(load()->chat_template, "b");
  folder.write("tokenizer_config.json", R"({"chat_template": [{"name": "tool_use", "template": "a"}]})");
  expect_error(ErrorCode::corrupt, "tokenizer_config.json: chat_template");
  folder.write("tokenizer_config.json", R"({"chat_template": 7})");
  expect_error(ErrorCode::corrupt, "tokenizer_config.json: chat_template");
}

TEST_F(LoadTokenizer, NamesTheSideFileThatIsBroken) {
  folder.write("generation_config.json", R"({"eos_token_id": "x"})");
  expect_error(ErrorCode::corrupt, "generation_config.json: eos_token_id");
  folder.write("generation_config.json", R"({"eos_token_id": -1})");
  expect_error(ErrorCode::corrupt, "generation_config.json: eos_token_id");
  folder.write("generation_config.json", "{");
  expect_error(ErrorCode::corrupt, "generation_config.json: not a JSON object");
  folder.write("tokenizer_config.json", "[]");
  expect_error(ErrorCode::corrupt, "tokenizer_config.json: not a JSON object");
  folder.write("tokenizer.json", "{");
  expect_error(ErrorCode::corrupt, "tokenizer.json: not valid JSON");
}

TEST_F(LoadTokenizer, AFolderWithoutTokenizerSaysSo) {
  fs::remove(folder.path() + "/tokenizer.json");
  expect_error(ErrorCode::not_found, "has no tokenizer.json");
}

TEST_F(LoadTokenizer, ReadsSamplingDefaults) {
  const auto all = defaults(R"({"temperature": 0.5, "top_p": 0.9, "top_k": 40, "min_p": 0.1})");
  EXPECT_EQ(all.temperature, 0.5f);
  EXPECT_EQ(all.top_p, 0.9f);
  EXPECT_EQ(all.top_k, 40);
  EXPECT_EQ(all.min_p, 0.1f);
  EXPECT_EQ(defaults(R"({"do_sample": false, "temperature": 0.5})").temperature, 0.0f);
  EXPECT_EQ(defaults(R"({"do_sample": true, "temperature": 0.5})").temperature, 0.5f);
}

TEST_F(LoadTokenizer, SamplingDefaultsThatMakeNoSenseCountAsAbsent) {
  for (const char* text :
       {R"({"temperature": -1, "top_p": 0, "top_k": -5, "min_p": 2})",
        R"({"temperature": "hot", "top_p": null, "top_k": [], "min_p": {}})", "{}", "[]", "{"}) {
    const auto none = defaults(text);
    EXPECT_FALSE(none.temperature || none.top_p || none.top_k || none.min_p) << text;
  }
}

TEST(GenerationDefaults, SurviveGguf) {
  GenerationDefaults defaults;
  defaults.temperature = 0.6f, defaults.top_p = 0.95f, defaults.top_k = 7, defaults.min_p = 0.05f;
  const std::string path = testing::TempDir() + "sambay_defaults_" + std::to_string(::getpid()) + ".gguf";
  auto writer = GgufWriter::create(path, generation_defaults_to_gguf(defaults), {{"x", DType::f32, {8}}});
  ASSERT_TRUE(writer);
  ASSERT_TRUE(writer->write(std::array<std::byte, 32>{}));
  ASSERT_TRUE(writer->commit());
  const auto checkpoint = Checkpoint::open(path);
  ASSERT_TRUE(checkpoint) << checkpoint.error().message;
  const auto back = load_generation_defaults(*checkpoint);
  EXPECT_EQ(back.temperature, defaults.temperature);
  EXPECT_EQ(back.top_p, defaults.top_p);
  EXPECT_EQ(back.top_k, defaults.top_k);
  EXPECT_EQ(back.min_p, defaults.min_p);
  fs::remove(path);
}

}  // namespace
}  // namespace sambay
