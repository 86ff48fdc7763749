#include "convert/verify.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/running_hash.h"
#include "convert/convert.h"
#include "support/temp_folder.h"
#include "support/tiny_checkpoint.h"

namespace sambay {
namespace {

using ::testing::HasSubstr;

/// A file of the tiny model and what has to be in it.
class VerifyGguf : public ::testing::Test {
 protected:
  void SetUp() override {
    test::TinyCheckpoint tiny;
    tiny.write(folder_);
    ConvertOptions options;
    options.model = folder_.path();
    options.out_file = path_ = folder_.file("x.gguf");
    options.type = DType::f32;
    ASSERT_TRUE(convert(options).has_value());
    const auto file = Checkpoint::open(path_);
    expected_.config = *load_sambay_config(*file);
    for (const TensorView& view : file->tensors()) {
      expected_.tensors.push_back({view.name, view.type, view.shape});
      RunningHash checksum;
      checksum.update(view.bytes);
      expected_.checksums.push_back(checksum.digest());
    }
  }
  std::string refusal() {
    const auto size = verify_gguf(path_, expected_, {});
    EXPECT_FALSE(size.has_value());
    if (size) return "";
    EXPECT_EQ(size.error().code, ErrorCode::io) << size.error().message;
    return size.error().message;
  }

  test::TempFolder folder_;
  std::string path_;
  GgufExpectation expected_;
};

TEST_F(VerifyGguf, AcceptsTheFileAsItWasWritten) {
  const auto size = verify_gguf(path_, expected_, {});
  ASSERT_TRUE(size.has_value()) << size.error().message;
  EXPECT_EQ(*size, static_cast<int64_t>(std::filesystem::file_size(path_)));
}

TEST_F(VerifyGguf, NamesATensorOfWhichOneBitChanged) {
  const auto file = Checkpoint::open(path_);
  const TensorView& view = *file->find("blk.3.ffn_down.weight");
  std::string bytes = test::read_file(path_);
  const auto* begin = reinterpret_cast<const std::byte*>(file->find(expected_.tensors[0].name)->bytes.data());
  // The first tensor begins where the header ends: distances inside the mapping are distances in the file.
  const size_t data_start =
      bytes.size() - static_cast<size_t>(file->tensors().back().bytes.data() +
                                         (file->tensors().back().bytes.size() + 31) / 32 * 32 - begin);
  bytes[data_start + static_cast<size_t>(view.bytes.data() - begin) + 100] ^= 1;
  folder_.write("damaged.gguf", bytes);
  path_ = folder_.file("damaged.gguf");
  EXPECT_THAT(refusal(), HasSubstr("tensor blk.3.ffn_down.weight is not what was written"));
}

TEST_F(VerifyGguf, NoticesEachOtherDifference) {
  expected_.checksums[7] ^= 1;
  EXPECT_THAT(refusal(), HasSubstr(expected_.tensors[7].name));
  expected_.tensors[5].type = DType::f16;
  EXPECT_THAT(refusal(), HasSubstr(expected_.tensors[5].name));
  expected_.tensors[4].shape = {1};
  EXPECT_THAT(refusal(), HasSubstr(expected_.tensors[4].name));
  expected_.tensors[3].name = "other";
  EXPECT_THAT(refusal(), HasSubstr("other"));
  expected_.tensors.pop_back();
  EXPECT_THAT(refusal(), HasSubstr("tensor table"));
  expected_.tokenizer = TokenizerData{};
  EXPECT_FALSE(verify_gguf(path_, expected_, {}).has_value());
  expected_.config.window++;
  EXPECT_THAT(refusal(), HasSubstr("configuration"));
}

TEST_F(VerifyGguf, StopsWhenAsked) {
  const auto size = verify_gguf(path_, expected_, {[] { return true; }, {}});
  ASSERT_FALSE(size.has_value());
  EXPECT_EQ(size.error().code, ErrorCode::cancelled);
}

}  // namespace
}  // namespace sambay
