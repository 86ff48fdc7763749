#include "tools/model_work.h"

#include <gtest/gtest.h>

#include "tools/synthetic.h"

namespace sambay {
namespace {

ModelWork work_of(const SambaYConfig& config, const TypeMix& mix) {
  const SyntheticLayout layout(config, mix);
  std::vector<DType> types;
  for (const GgufTensor& tensor : layout.tensors) types.push_back(tensor.type);
  return ModelWork(config, layout.specs, types);
}

constexpr SambaYConfig kFlash{};
// By hand: MLPs 32 x 3 x 2560 x 10240; nine Mambas, eight windows and the shared layer, seven of each later
// kind.
constexpr double kMlp = 3.0 * 2560 * 10240, kMamba = 2560.0 * 10240 + 5120 * 192 + 160 * 5120 + 5120 * 2560;
constexpr double kAttention = 2560.0 * (2560 + 2560) + 2560 * 2560, kGmu = 2.0 * 2560 * 5120,
                 kCross = 2.0 * 2560 * 2560;
constexpr double kHead = 200064.0 * 2560;
constexpr double kEveryRow =
    17 * kMlp + 9 * kMamba + 8 * kAttention + 2560.0 * 2560;  // the last: shared K and V
constexpr double kAll = 32 * kMlp + 9 * kMamba + 9 * kAttention + 7 * kGmu + 7 * kCross + kHead;

TEST(ModelWork, OfADecodeStepIsEveryMatrixOncePerSequence) {
  const ModelWork work = work_of(kFlash, *type_mix_from_name("q4_0"));
  EXPECT_DOUBLE_EQ(work.decode_step(1, 0, DType::f16).int8, kAll);
  EXPECT_DOUBLE_EQ(work.decode_step(16, 0, DType::f16).multiply_adds(), 16 * kAll);
  const Work plain = work_of(kFlash, DType::bf16).decode_step(1, 0, DType::f16);
  EXPECT_DOUBLE_EQ(plain.f32, kAll);
  EXPECT_EQ(plain.int8, 0);
}

TEST(ModelWork, OfAPromptSkipsTheSecondHalfButForTheLastToken) {
  const ModelWork work = work_of(kFlash, *type_mix_from_name("q4_0"));
  EXPECT_DOUBLE_EQ(work.prefill(512, 256).int8, 511 * kEveryRow + kAll);
  // Its weights, of four bits and more, are read again in each chunk.
  EXPECT_GT(work.prefill(512, 256).bytes - work.prefill(512, 512).bytes, 0.5 * kEveryRow);
}

TEST(ModelWork, ReadsWeightsOnceAndEachSequencesCaches) {
  const ModelWork work = work_of(kFlash, DType::f16);
  const double shared_position = 2 * 1280 * 2.0, state = 9.0 * 19 * 5120 * 4;  // K and V of 20 heads of 64
  const auto bytes = [&](int sequences, double depth) {
    return work.decode_step(sequences, depth, DType::f16).bytes;
  };
  const double first =
      state + shared_position * (8 + 8);  // a window and the shared layer, eight readers each
  EXPECT_DOUBLE_EQ(bytes(1, 0), work.weight_bytes() + first);
  EXPECT_DOUBLE_EQ(bytes(5, 0), work.weight_bytes() + 5 * first);
  // Beyond the window of 512 only the shared keys grow.
  EXPECT_DOUBLE_EQ(bytes(1, 32768) - bytes(1, 16384), 16384.0 * 8 * shared_position);
  EXPECT_NEAR(work.weight_bytes(), 2 * kAll, 0.01 * kAll);
}

TEST(ModelWork, OfACheckpointIsThatOfItsShapes) {
  const SambaYConfig config = *sambay_preset("small");
  const TypeMix mix = *type_mix_from_name("q4_k_m");
  const SyntheticModel model = *SyntheticModel::create(config, mix, 1);
  const Work made = ModelWork::of(model.checkpoint())->decode_step(2, 7, DType::q8_0);
  const Work shapes = work_of(config, mix).decode_step(2, 7, DType::q8_0);
  EXPECT_EQ(made.bytes, shapes.bytes);
  EXPECT_EQ(made.int8, shapes.int8);
  EXPECT_EQ(made.f32, shapes.f32);
}

}  // namespace
}  // namespace sambay
