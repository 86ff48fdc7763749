#include "model/memory_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>
#include <string>

#include "model/sambay.h"
#include "support/golden.h"
#include "tools/synthetic.h"

namespace sambay {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

ModelFootprint small() { return SyntheticLayout(*sambay_preset("small"), DType::q8_0).footprint; }

MemoryRequest request(int positions = 16384, int sequences = 1) {
  return answering_request(DType::f16, sequences, positions, 256, 2);
}

TEST(ModelFootprint, CountsEveryByteOfTheFileOnce) {
  for (const char* name : {"a_f32", "c_bf16", "d_calm_bf16"}) {
    const Checkpoint checkpoint = *Checkpoint::open(test::golden_path(name));
    const ModelFootprint footprint = *model_footprint(checkpoint);
    int64_t sum = footprint.embedding_bytes + footprint.header_bytes;
    for (const int64_t bytes : footprint.weight_bytes) sum += bytes;
    const auto& text = checkpoint.text();
    int64_t side_files = static_cast<int64_t>(text.config.size());
    for (const auto* part :
         {&text.tokenizer, &text.tokenizer_config, &text.generation_config, &text.chat_template, &text.card})
      if (*part) side_files += static_cast<int64_t>((*part)->size());
    EXPECT_EQ(sum, checkpoint.file_bytes() + side_files) << name;
    EXPECT_EQ(footprint.embedding_bytes,
              static_cast<int64_t>(checkpoint.find("model.embed_tokens.weight")->bytes.size()));
  }
}

TEST(ModelFootprint, OfShapesEqualsThatOfTheModelMadeFromThem) {
  SambaYConfig config = *sambay_preset("small");
  config.hidden = config.intermediate = 128, config.dt_rank = 8, config.vocab = 1000;
  const ModelFootprint shapes = SyntheticLayout(config, DType::q8_0).footprint;
  const SyntheticModel model = *SyntheticModel::create(config, DType::q8_0, 1);
  const ModelFootprint made = *model_footprint(model.checkpoint());
  EXPECT_EQ(shapes.weight_bytes, made.weight_bytes);
  EXPECT_EQ(shapes.embedding_bytes, made.embedding_bytes);
  EXPECT_EQ(shapes.header_bytes, made.header_bytes);
  EXPECT_EQ(shapes.vector_bytes, made.vector_bytes);
  EXPECT_EQ(plan_memory(shapes, request()).total(), plan_memory(made, request()).total());
}

TEST(MemoryPlan, IsTheSumOfItsParts) {
  const MemoryPlan plan = plan_memory(small(), request());
  int64_t sum = 0;
  for (const MemoryItem& item : plan.items) {
    EXPECT_GT(item.bytes, 0) << item.component;
    sum += item.bytes;
  }
  EXPECT_EQ(plan.total(), sum);
  EXPECT_EQ(plan.bytes_of("kv_shared"), plan.caches.group_bytes(1));
  EXPECT_EQ(plan.bytes_of("kv_window"), plan.caches.group_bytes(0));
  EXPECT_EQ(plan.bytes_of("state"), plan.caches.state_bytes());
  EXPECT_EQ(plan.bytes_of("logits"), (4 + 12 + 4) * 32768)
      << "one row, a weight and a candidate of the sampler, and the row that the engine copies";
  EXPECT_EQ(plan.bytes_of("embedding"), 32768 * 512 / 32 * 34);
}

TEST(MemoryPlan, GrowsByWhatIsAskedFor) {
  const auto bytes = [](const MemoryRequest& r) { return plan_memory(small(), r); };
  const MemoryPlan one = bytes(request()), two = bytes(request(16384, 2)), longer = bytes(request(32768));
  EXPECT_EQ(two.bytes_of("kv_shared"), 2 * one.bytes_of("kv_shared"));
  EXPECT_EQ(two.step_rows, one.step_rows + 1);
  EXPECT_EQ(longer.total() - one.total(), one.bytes_of("kv_shared")) << "nothing else depends on the context";
  MemoryRequest small_cache = request();
  small_cache.kv = DType::q8_0;
  EXPECT_EQ(bytes(small_cache).bytes_of("kv_shared") * 32,
            one.bytes_of("kv_shared") * 17);  // 34 bytes for 32
  EXPECT_EQ(bytes(request(10)).step_rows, 10) << "no step is longer than what there is to read";
  EXPECT_EQ(bytes(request(10, 4)).step_rows, 43);
}

TEST(CheckMemory, ObeysOrRefuses) {
  const int64_t total = plan_memory(small(), request()).total();
  EXPECT_TRUE(check_memory(small(), request(), 0, {}));
  EXPECT_TRUE(check_memory(small(), request(), total, {}));
  const auto refused = check_memory(small(), request(), total - 1, {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::out_of_memory);
  EXPECT_THAT(refused.error().message, HasSubstr("weights "));
  EXPECT_EQ(refused.error().message.find('\n'), std::string::npos);
  EXPECT_TRUE(check_memory(plan_memory(small(), request()), total));
  EXPECT_FALSE(check_memory(plan_memory(small(), request()), total - 1));
}

/// The number behind an option of the advice; 0 when it is not there.
int advised(const std::string& message, const std::string& option) {
  std::smatch found;
  return std::regex_search(message, found, std::regex("; fits with .*" + option + " ([0-9]+)"))
             ? std::stoi(found[1])
             : 0;
}

TEST(CheckMemory, AdvisesWhatFitsAndNothingMuchSmaller) {
  const MemoryRequest large = request(65536, 4);
  const int64_t total = plan_memory(small(), large).total();
  const int64_t caches = plan_memory(small(), large).bytes_of("kv_shared");
  const MemoryKnobs all{"-c", "--kv", "--parallel"};
  const auto fits = [&](int positions, int sequences, int64_t limit) {
    return plan_memory(small(), request(positions, sequences)).total() <= limit;
  };
  for (const int64_t limit : {total - 1, total - caches / 3, total - caches / 2}) {
    const std::string message = check_memory(small(), large, limit, all).error().message;
    const int context = advised(message, "-c"), sequences = advised(message, "--parallel");
    ASSERT_GT(context, 0) << message;
    EXPECT_TRUE(fits(context, 4, limit)) << message;
    EXPECT_FALSE(fits(context + 1024, 4, limit)) << message;
    ASSERT_GT(sequences, 0) << message;
    EXPECT_TRUE(fits(65536, sequences, limit) && !fits(65536, sequences + 1, limit)) << message;
  }
  EXPECT_THAT(check_memory(small(), large, total - 1, all).error().message, HasSubstr(", or --kv q8_0, or "));
  EXPECT_THAT(check_memory(small(), large, total - 1, {nullptr, "--kv", nullptr}).error().message,
              Not(HasSubstr("-c ")));
  EXPECT_THAT(check_memory(small(), large, 1 << 20, all).error().message, HasSubstr("only smaller weights"));
}

TEST(LongestContext, FitsAndOnePageMoreDoesNot) {
  const auto total = [](int positions) { return plan_memory(small(), request(positions)).total(); };
  const int64_t limit = total(20000);
  const int longest = longest_context(small(), request(), limit);
  EXPECT_LE(total(longest), limit);
  EXPECT_GT(total(longest + kPageTokens), limit);
  EXPECT_EQ(longest_context(small(), request(), int64_t{1} << 50), small().max_context);
  EXPECT_EQ(longest_context(small(), request(), 1000), 0);
}

}  // namespace
}  // namespace sambay
