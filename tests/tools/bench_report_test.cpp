#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tools/bench.h"

namespace sambay {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;

TEST(BenchTableProfile, HoldsEachMatrixAgainstTheCeilingOfItsInstructions) {
  BenchResult result;
  result.ceilings = {1e9, 100e9, 20e9};  // read, int8, f32
  result.profile_seconds = 2;
  OpTime panels{"matmul q8_0 64x64", 1, 1.0}, floats{"matmul f32 64x64", 1, 1.0};
  panels.multiply_adds = floats.multiply_adds = 10e9;
  panels.is_int8 = true;
  result.profile = {panels, floats};
  EXPECT_THAT(bench_table_profile(result), AllOf(ContainsRegex("matmul q8_0 64x64 .* 10\\.0 +10 %\n"),
                                                 ContainsRegex("matmul f32 64x64 .* 10\\.0 +50 %\n")));
}

}  // namespace
}  // namespace sambay
