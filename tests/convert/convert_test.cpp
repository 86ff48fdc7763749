#include "convert/convert.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>

#include "formats/checkpoint.h"
#include "formats/quality_card.h"
#include "support/golden.h"
#include "support/temp_folder.h"
#include "support/tiny_checkpoint.h"
#include "tensor/quant_q8_0.h"

namespace sambay {
namespace {

using test::read_file;
using test::TempFolder;
using test::TinyCheckpoint;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

constexpr DType kWeightTypes[] = {DType::f32, DType::f16, DType::bf16, DType::q8_0};

std::string pocket() { return std::string(SAMBAY_SOURCE_DIR) + "/models/pocket"; }

Result<ConvertReport> convert_to(const std::string& model, const std::string& out, DType type) {
  ConvertOptions options;
  options.model = model;
  options.out_file = out;
  options.type = type;
  options.threads = 2;
  return convert(options);
}

/// A folder with a model in it and another to convert into.
struct Folders {
  explicit Folders(const TinyCheckpoint& tiny) { tiny.write(in); }
  Result<ConvertReport> run(DType type) const { return convert_to(in.path(), target(), type); }
  std::string target() const { return out.file("x.gguf"); }
  /// The error of a conversion that has to fail, after which there must be no trace of it.
  std::string refusal(DType type, ErrorCode code) const {
    const auto report = run(type);
    EXPECT_FALSE(report.has_value());
    EXPECT_THAT(out.names(), IsEmpty());
    if (report) return "";
    EXPECT_EQ(report.error().code, code) << report.error().message;
    EXPECT_EQ(report.error().message.find('\n'), std::string::npos);
    return report.error().message;
  }
  TempFolder in, out;
};

std::vector<float> values_of(const TensorView& view, Transform transform) {
  std::vector<float> values(static_cast<size_t>(view.element_count()));
  read_as_f32(view, transform, 0, view.element_count(), values.data());
  return values;
}

TEST(Convert, KeepsEveryValueWhenTheTypeHoldsIt) {
  struct Case {
    const char* from;
    DType to;
  };
  for (const Case c : {Case{"F32", DType::f32}, Case{"F16", DType::f16}, Case{"BF16", DType::bf16},
                       Case{"BF16", DType::f32}, Case{"F16", DType::f32}}) {
    const Folders folders{TinyCheckpoint(c.from)};
    const auto report = folders.run(c.to);
    ASSERT_TRUE(report.has_value()) << report.error().message;
    const auto source = Checkpoint::open(folders.in.path()), result = Checkpoint::open(folders.target());
    ASSERT_TRUE(source.has_value() && result.has_value());
    EXPECT_EQ(*load_sambay_config(*result), *load_sambay_config(*source));
    const auto specs = sambay_tensors(*load_sambay_config(*source));
    const auto before = match_tensors(*source, specs), after = match_tensors(*result, specs);
    ASSERT_TRUE(before.has_value() && after.has_value());
    for (size_t i = 0; i < specs.size(); i++) {
      EXPECT_EQ((*after)[i]->name, specs[i].gguf_name);
      EXPECT_EQ((*after)[i]->shape, specs[i].shape);
      EXPECT_EQ((*after)[i]->type, specs[i].is_matrix ? c.to : DType::f32) << specs[i].gguf_name;
      EXPECT_EQ(values_of(*(*before)[i], specs[i].transform), values_of(*(*after)[i], Transform::none))
          << specs[i].gguf_name;
    }
    for (const ConvertReport::Group& group : report->groups) EXPECT_EQ(group.squared_error, 0);
  }
}

TEST(Convert, StoresMinusExpOfALogAsF32) {
  TinyCheckpoint tiny("BF16");
  tiny.tensor("model.layers.0.attn.A_log").set(5, std::log(16.0f));
  const Folders folders(tiny);
  ASSERT_TRUE(folders.run(DType::bf16).has_value());
  const auto result = Checkpoint::open(folders.target());
  const TensorView& a = *result->find("blk.0.ssm_a");
  EXPECT_EQ(a.type, DType::f32);
  const float log_16 = bf16_to_f32(f32_to_bf16(std::log(16.0f)));
  EXPECT_EQ(values_of(a, Transform::none)[5], static_cast<float>(-std::exp(static_cast<double>(log_16))));
}

TEST(Convert, QuantizesRowsOfWholeBlocksAndKeepsTheTypeOfOthers) {
  TinyCheckpoint tiny("BF16");
  const Folders folders(tiny);
  const auto report = folders.run(DType::q8_0);
  ASSERT_TRUE(report.has_value()) << report.error().message;
  const auto source = Checkpoint::open(folders.in.path()), result = Checkpoint::open(folders.target());
  // hidden 32 and inner 64 are whole blocks; dt rank 2 and intermediate 48 are not.
  EXPECT_EQ(result->find("blk.0.ssm_dt.weight")->type, DType::bf16);
  EXPECT_EQ(result->find("blk.3.ffn_down.weight")->type, DType::bf16);
  EXPECT_THAT(report->kept_types, ::testing::Contains("blk.0.ssm_dt.weight (bf16)"));
  EXPECT_EQ(report->kept_types.size(), 3u + 8u);
  const std::vector<float> values =
      values_of(*source->find("model.layers.1.attn.Wqkv.weight"), Transform::none);
  const TensorView& written = *result->find("blk.1.attn_qkv.weight");
  std::vector<std::byte> expected(static_cast<size_t>(dtype_bytes(DType::q8_0, written.element_count())));
  encode_q8_0(values.data(), expected.data(), written.element_count());
  ASSERT_EQ(written.type, DType::q8_0);
  EXPECT_EQ(std::memcmp(written.bytes.data(), expected.data(), expected.size()), 0);
  EXPECT_THAT(format_report(*report), AllOf(HasSubstr("q8_0"), HasSubstr("blk.0.ssm_dt.weight (bf16)")));
}

TEST(Convert, ReportsTheRelativeErrorOfQuantizing) {
  const Folders folders{TinyCheckpoint("F32")};
  const auto report = folders.run(DType::q8_0);
  ASSERT_TRUE(report.has_value());
  const auto& mlp = report->groups[static_cast<size_t>(TensorGroup::mlp)];
  // Rounding to a step of max/127 is off by step/sqrt(12) in the root mean square. The largest of 32 normal
  // values lies between 1 and 6 (the generator's bound) standard deviations, so between these:
  EXPECT_GT(mlp.relative_rms_error(), 1.0 / 127 / std::sqrt(12.0));
  EXPECT_LT(mlp.relative_rms_error(), 6.0 / 127 / std::sqrt(12.0));
  EXPECT_EQ(report->groups[static_cast<size_t>(TensorGroup::norms)].relative_rms_error(), 0);
}

TEST(Convert, OfAConvertedFileToTheSameTypeGivesTheSameBytes) {
  for (DType type : kWeightTypes) {
    const Folders folders{TinyCheckpoint("F32")};
    ASSERT_TRUE(folders.run(type).has_value());
    const std::string again = folders.out.file("again.gguf");
    const auto report = convert_to(folders.target(), again, type);
    ASSERT_TRUE(report.has_value()) << report.error().message;
    EXPECT_EQ(read_file(again), read_file(folders.target())) << dtype_info(type).name;
  }
}

TEST(Convert, RefusesToWriteOverWhatItReads) {
  const Folders folders{TinyCheckpoint("F32")};
  ASSERT_TRUE(folders.run(DType::f32).has_value());
  const std::string weights = folders.in.file("model.safetensors");
  for (const auto& [model, out] : {std::pair{folders.target(), folders.target()},
                                   std::pair{folders.in.path(), weights}, std::pair{weights, weights}}) {
    const std::string before = read_file(out);
    const auto report = convert_to(model, out, DType::q8_0);
    ASSERT_FALSE(report.has_value()) << out;
    EXPECT_EQ(report.error().code, ErrorCode::invalid_argument);
    EXPECT_THAT(report.error().message, HasSubstr("is what is read"));
    EXPECT_EQ(read_file(out), before);
  }
}

TEST(Convert, ReadsShardsAndSingleFilesAlike) {
  const TempFolder out;
  const auto report = convert_to(test::golden_path("c_bf16"), out.file("c.gguf"), DType::bf16);
  ASSERT_TRUE(report.has_value()) << report.error().message;
  EXPECT_EQ(report->file_bytes, static_cast<int64_t>(std::filesystem::file_size(out.file("c.gguf"))));
  const auto beside =
      convert_to(test::golden_path("a_f32") + "/model.safetensors", out.file("a.gguf"), DType::f32);
  EXPECT_TRUE(beside.has_value()) << beside.error().message;
}

TEST(Convert, DropsAnEqualHead) {
  TinyCheckpoint tiny;
  tiny.tensors.push_back(tiny.tensor("model.embed_tokens.weight"));
  tiny.tensors.back().name = "lm_head.weight";
  const Folders folders(tiny);
  ASSERT_TRUE(folders.run(DType::f32).has_value());
  EXPECT_EQ(Checkpoint::open(folders.target())->tensors().size(), tiny.tensors.size() - 1);
}

TEST(Convert, DoesNotDependOnTheNumberOfThreads) {
  const TempFolder out;
  ConvertOptions options;
  options.model = pocket();
  options.type = DType::q8_0;
  std::vector<double> errors;
  for (int threads : {1, 3}) {
    options.threads = threads;
    options.out_file = out.file(std::to_string(threads));
    const auto report = convert(options);
    ASSERT_TRUE(report.has_value()) << report.error().message;
    errors.push_back(report->groups[static_cast<size_t>(TensorGroup::mlp)].squared_error);
  }
  EXPECT_EQ(read_file(out.file("1")), read_file(out.file("3")));
  EXPECT_EQ(errors[0], errors[1]);
}

TEST(Convert, TellsProgressUpToTheEndOfBothPasses) {
  const Folders folders{TinyCheckpoint("F32")};
  int64_t last[2] = {0, 0}, total = 0;
  ConvertOptions options;
  options.model = folders.in.path();
  options.out_file = folders.target();
  options.progress = [&](const ConvertProgress& progress) {
    EXPECT_GT(progress.done_bytes, last[progress.verifying]);
    EXPECT_FALSE(progress.tensor.empty());
    last[progress.verifying] = progress.done_bytes;
    total = progress.total_bytes;
  };
  ASSERT_TRUE(convert(options).has_value());
  EXPECT_EQ(last[0], total);
  EXPECT_EQ(last[1], total);
}

// --- what must fail, and leave nothing ------------------------------------------------------------------

TEST(Convert, NamesTheFirstValueThatIsNotFinite) {
  for (const char* type : {"F32", "BF16"}) {
    for (const float value : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
      TinyCheckpoint tiny(type);
      tiny.tensor("model.layers.1.mlp.fc1.weight").set(77, value);
      tiny.tensor("model.layers.1.mlp.fc1.weight").set(78, value);
      // bf16 to bf16 is copied, to q8_0 encoded: both look.
      for (DType target : {DType::bf16, DType::q8_0})
        EXPECT_THAT(Folders(tiny).refusal(target, ErrorCode::corrupt),
                    AllOf(HasSubstr("model.layers.1.mlp.fc1.weight"), HasSubstr("element 77 "),
                          HasSubstr(std::isnan(value) ? "nan" : "inf")));
    }
  }
}

TEST(Convert, NamesAnExponentThatOverflows) {
  TinyCheckpoint tiny;
  tiny.tensor("model.layers.0.attn.A_log").set(9, 100.0f);  // exp(100) is beyond f32
  EXPECT_THAT(Folders(tiny).refusal(DType::f32, ErrorCode::corrupt),
              AllOf(HasSubstr("A_log"), HasSubstr("element 9 "), HasSubstr("after -exp")));
}

TEST(Convert, NamesTheFirstValueBeyondTheRangeOfTheType) {
  TinyCheckpoint tiny;
  tiny.tensor("model.layers.2.attn.in_proj.weight").set(41, -65520.0f);  // rounds to -inf in f16
  EXPECT_THAT(Folders(tiny).refusal(DType::f16, ErrorCode::unsupported),
              AllOf(HasSubstr("model.layers.2.attn.in_proj.weight"), HasSubstr("element 41 "),
                    HasSubstr("-65520"), HasSubstr("f16")));
  tiny.tensor("model.layers.2.attn.in_proj.weight").set(41, -65504.0f);  // the last that fits
  EXPECT_TRUE(Folders(tiny).run(DType::f16).has_value());
}

TEST(Convert, NamesABlockWhoseScaleIsBeyondRange) {
  TinyCheckpoint tiny;
  tiny.tensor("model.layers.2.attn.in_proj.weight").set(41, 1e9f);  // scale 1e9 / 127 is beyond f16
  EXPECT_THAT(Folders(tiny).refusal(DType::q8_0, ErrorCode::unsupported),
              AllOf(HasSubstr("model.layers.2.attn.in_proj.weight"), HasSubstr("q8_0")));
}

TEST(Convert, LargeValuesOfSmallTensorsDoNotMatterToF16) {
  TinyCheckpoint tiny;
  tiny.tensor("model.final_layernorm.weight").set(0, 1e6f);  // stays f32
  EXPECT_TRUE(Folders(tiny).run(DType::f16).has_value());
}

TEST(Convert, NamesTheModelTypeOfAnotherModel) {
  TinyCheckpoint tiny;
  tiny.config.set("model_type", "\"llama\"");
  EXPECT_THAT(Folders(tiny).refusal(DType::bf16, ErrorCode::unsupported), HasSubstr("\"llama\""));
}

TEST(Convert, NamesAMissingTensor) {
  TinyCheckpoint tiny;
  tiny.remove("model.layers.1.attn.Wqkv.bias");
  EXPECT_THAT(Folders(tiny).refusal(DType::bf16, ErrorCode::not_found),
              HasSubstr("model.layers.1.attn.Wqkv.bias"));
}

TEST(Convert, RefusesATokenizerWithMoreTokensThanTheVocabulary) {
  const Folders folders{TinyCheckpoint()};  // 40 rows
  std::filesystem::copy(pocket() + "/tokenizer.json", folders.in.file("tokenizer.json"));
  EXPECT_THAT(folders.refusal(DType::bf16, ErrorCode::corrupt), HasSubstr("tokenizer"));
}

TEST(Convert, RefusesABrokenTokenizer) {
  const Folders folders{TinyCheckpoint()};
  folders.in.write("tokenizer.json", "{\"model\": ");
  EXPECT_THAT(folders.refusal(DType::bf16, ErrorCode::corrupt), HasSubstr("tokenizer.json"));
}

TEST(Convert, OfNothingSaysWhatIsMissing) {
  const TempFolder empty, out;
  const auto report = convert_to(empty.path(), out.file("x.gguf"), DType::bf16);
  ASSERT_FALSE(report.has_value());
  EXPECT_EQ(report.error().code, ErrorCode::not_found);
  EXPECT_THAT(report.error().message, HasSubstr("config.json"));
  EXPECT_THAT(out.names(), IsEmpty());
}

TEST(Convert, InterruptedInEitherPassLeavesTheOldFile) {
  const Folders folders{TinyCheckpoint("F32")};
  folders.out.write("x.gguf", "old");
  int pieces = 0;
  ConvertOptions options;
  options.model = folders.in.path();
  options.out_file = folders.target();
  options.progress = [&](const ConvertProgress&) { pieces++; };
  ASSERT_TRUE(convert(options).has_value());
  const int all = pieces;  // one per tensor and pass
  folders.out.write("x.gguf", "old");
  for (int stop_at : {0, all / 4, all - 2}) {
    pieces = 0;
    options.should_stop = [&] { return pieces >= stop_at; };
    const auto report = convert(options);
    ASSERT_FALSE(report.has_value());
    EXPECT_EQ(report.error().code, ErrorCode::cancelled);
    EXPECT_THAT(folders.out.names(), ElementsAre("x.gguf"));
    EXPECT_EQ(read_file(folders.target()), "old");
  }
}

TEST(Convert, KilledLeavesNothing) {
  const Folders folders{TinyCheckpoint("F32")};
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    ConvertOptions options;
    options.model = folders.in.path();
    options.out_file = folders.target();
    options.progress = [](const ConvertProgress& progress) {
      if (progress.verifying) ::raise(SIGKILL);
    };
    const auto report = convert(options);
    ::_exit(report ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;
  const auto names = folders.out.names();
  // Where the file system has no unnamed files, a hidden temporary one is all that may remain.
  for (const std::string& name : names) EXPECT_THAT(name, ::testing::StartsWith(".sambay-"));
}

TEST(Convert, BeyondTheFileSizeLimitLeavesNothing) {
  const Folders folders{TinyCheckpoint("F32")};
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto old_handler = ::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{16384, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const std::string message = folders.refusal(DType::f32, ErrorCode::io);
  ::setrlimit(RLIMIT_FSIZE, &before);
  ::signal(SIGXFSZ, old_handler);
  EXPECT_THAT(message, HasSubstr(folders.target()));
}

TEST(Convert, IntoWhatIsNoFileSaysSo) {
  const Folders folders{TinyCheckpoint("F32")};
  for (const std::string& target : {std::string("/dev/full"), folders.in.path()}) {
    const auto report = convert_to(folders.in.path(), target, DType::f32);
    ASSERT_FALSE(report.has_value());
    EXPECT_EQ(report.error().code, ErrorCode::io);
    EXPECT_THAT(report.error().message, HasSubstr(target));
  }
  const auto report = convert_to(folders.in.path(), folders.out.file("no/such/x.gguf"), DType::f32);
  ASSERT_FALSE(report.has_value());
  EXPECT_THAT(report.error().message, HasSubstr("no/such"));
}

// --- memory ---------------------------------------------------------------------------------------------

int64_t resident_bytes() {
  int64_t size = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> size >> resident;
  return resident * ::sysconf(_SC_PAGESIZE);
}

TEST(Convert, OfALargeModelStaysSmallInMemory) {
  TinyCheckpoint tiny("F32");
  constexpr int64_t kRows = int64_t{1} << 21, kModelBytes = kRows * 32 * 4;  // 256 MiB
  tiny.config.set("vocab_size", std::to_string(kRows));
  // The embedding comes last and is a hole in the file, which reads as zeros.
  tiny.remove("model.embed_tokens.weight");
  const Folders folders(tiny);
  {
    std::string file = tiny.safetensors();
    uint64_t header_bytes;
    std::memcpy(&header_bytes, file.data(), 8);
    const uint64_t data_bytes = file.size() - 8 - header_bytes;
    const std::string entry = ",\"model.embed_tokens.weight\":{\"dtype\":\"F32\",\"shape\":[" +
                              std::to_string(kRows) + ",32],\"data_offsets\":[" + std::to_string(data_bytes) +
                              "," + std::to_string(data_bytes + kModelBytes) + "]}}";
    file.replace(8 + header_bytes - 1, 1, entry);
    header_bytes += entry.size() - 1;
    std::memcpy(file.data(), &header_bytes, 8);
    folders.in.write("model.safetensors", file);
    std::filesystem::resize_file(folders.in.file("model.safetensors"),
                                 file.size() + static_cast<uint64_t>(kModelBytes));
  }
  const int64_t before = resident_bytes();
  int64_t most = before;
  ConvertOptions options;
  options.model = folders.in.path();
  options.out_file = folders.target();
  options.type = DType::q8_0;
  options.threads = 2;
  options.progress = [&](const ConvertProgress&) { most = std::max(most, resident_bytes()); };
  const auto report = convert(options);
  ASSERT_TRUE(report.has_value()) << report.error().message;
  // Working memory is a few MiB; an eighth of the model leaves room for what the allocator keeps.
  // AddressSanitizer remembers one byte about every eight that were looked at.
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
  constexpr int64_t kShadow = kModelBytes / 8;
#else
  constexpr int64_t kShadow = 0;
#endif
#else
  constexpr int64_t kShadow = 0;
#endif
  EXPECT_LT(most - before, kModelBytes / 8 + kShadow);
}

TEST(Convert, FootprintToldBeforehandIsThatOfTheFile) {
  const TempFolder out;
  for (const TypeMix& mix : {TypeMix(DType::bf16), TypeMix(DType::q8_0), *type_mix_from_name("q4_k_m")}) {
    ConvertOptions options;
    options.model = pocket();
    options.out_file = out.file("pocket.gguf");
    options.type = mix;
    const auto told = converted_footprint(options);
    ASSERT_TRUE(told.has_value()) << told.error().message;
    EXPECT_THAT(out.names(), IsEmpty());
    ASSERT_TRUE(convert(options).has_value());
    const auto is = model_footprint(*Checkpoint::open(options.out_file));
    EXPECT_EQ(told->weight_bytes, is->weight_bytes) << mix.name;
    EXPECT_EQ(told->embedding_bytes, is->embedding_bytes) << mix.name;
    EXPECT_EQ(told->vector_bytes, is->vector_bytes) << mix.name;
    EXPECT_EQ(told->header_bytes, is->header_bytes) << mix.name;
    std::filesystem::remove(options.out_file);
  }
}

// --- the quality card -----------------------------------------------------------------------------------

TEST(Convert, TakesTheQualityCardAlongFromFolderToGgufToGguf) {
  const Folders folders{TinyCheckpoint()};
  folders.in.write("card.json", R"({"made_by": "me", "problems_seed": 7, "families": {"sub": {"problems": 3,
      "answer": 1, "work": 0.5, "both": 0.5}}, "types": {"bf16": {"accuracy": 0.5}}, "more": 1})");
  ASSERT_TRUE(folders.run(DType::f32).has_value());
  const std::string again = folders.out.file("again.gguf");
  ASSERT_TRUE(convert_to(folders.target(), again, DType::bf16).has_value());
  for (const std::string& path : {folders.target(), again}) {
    const auto card = load_quality_card(*Checkpoint::open(path));
    ASSERT_TRUE(card.has_value()) << card.error().message;
    ASSERT_TRUE(card->has_value()) << path;
    EXPECT_EQ((*card)->problems_seed, 7u);
    ASSERT_EQ((*card)->families.size(), 1u);
    EXPECT_EQ((*card)->families[0].work, 0.5);
  }
}

TEST(Convert, WithoutACardWritesNone) {
  const Folders folders{TinyCheckpoint()};
  ASSERT_TRUE(folders.run(DType::f32).has_value());
  EXPECT_FALSE(Checkpoint::open(folders.target())->gguf().has(kCardKey));
}

TEST(Convert, RefusesAMalformedCard) {
  const Folders folders{TinyCheckpoint()};
  folders.in.write("card.json",
                   R"({"made_by": "me", "problems_seed": 7, "families": {}, "types": {"bf16": {}}})");
  EXPECT_THAT(folders.refusal(DType::f32, ErrorCode::corrupt), HasSubstr("card.json: types.bf16.accuracy"));
}

// --- the model in the repository ------------------------------------------------------------------------

TEST(Convert, OfThePocketModelTakesTheTokenizerAlong) {
  const TempFolder out;
  const auto report = convert_to(pocket(), out.file("pocket.gguf"), DType::bf16);
  ASSERT_TRUE(report.has_value()) << report.error().message;
  EXPECT_GT(report->tokens, 256);
  const auto result = Checkpoint::open(out.file("pocket.gguf"));
  EXPECT_EQ(*result->gguf().string("general.architecture"), "phi4flash");
  EXPECT_EQ(*result->gguf().string("phi4flash.layout"), "hf");
  EXPECT_EQ(*result->gguf().string("general.name"), "pocket");
  EXPECT_EQ(*result->gguf().integer("general.file_type"), 32);
  EXPECT_TRUE(result->gguf().has("tokenizer.ggml.tokens"));
  EXPECT_TRUE(result->gguf().has("tokenizer.chat_template"));
}

}  // namespace
}  // namespace sambay
