#include "tools/ceilings.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "kernels/cpu/kernels.h"
#include "tools/system_state.h"

namespace sambay {
namespace {

TEST(SpreadOf, TakesTheMiddleOrTheMeanOfTheTwoInIt) {
  EXPECT_EQ(spread_of({3}).median, 3);
  const Spread odd = spread_of({9, 1, 2});
  EXPECT_EQ(odd.median, 2);
  EXPECT_EQ(odd.min, 1);
  EXPECT_EQ(odd.max, 9);
  EXPECT_EQ(spread_of({4, 1, 2, 9}).median, 3);
}

TEST(CeilingProbe, MeasuresSomethingPossible) {
  ThreadPool pool(2);
  for (const int threads : {1, 2}) {
    CeilingProbe probe = *CeilingProbe::create(**select_kernels(), pool, threads, int64_t{8} << 20);
    const Ceilings found = probe.sample();
    // From the slowest emulator to what no two cores do.
    for (const double value : {found.read_bytes, found.int8, found.f32}) {
      EXPECT_GT(value, 1e5);
      EXPECT_LT(value, 1e14);
    }
    EXPECT_EQ(probe.bytes(), int64_t{8} << 20);
  }
}

TEST(MeasureLimits, ReportsEveryInstructionSetAndStopsWhenAsked) {
  LimitsOptions options;
  options.threads = 1, options.repetitions = 1;
  const auto quiet = [](const std::string&) {};
  const LimitsReport report = *measure_limits(options, quiet, [] { return false; });
  size_t supported = 0;
  for (const CpuKernels* kernels : compiled_kernels()) supported += kernels->supported();
  EXPECT_EQ(report.limits.size(), 2 + 2 * supported);
  const auto json = nlohmann::json::parse(limits_json(report));
  EXPECT_EQ(json["limits"].size(), report.limits.size());
  for (const Limit& limit : report.limits)
    EXPECT_NE(format_limits(report).find(limit.detail), std::string::npos) << limit.detail;
  EXPECT_EQ(measure_limits(options, quiet, [] { return true; }).error().code, ErrorCode::cancelled);
  options.repetitions = 0;
  EXPECT_EQ(measure_limits(options, quiet, [] { return false; }).error().code, ErrorCode::invalid_argument);
}

TEST(SystemState, KnowsThisProcess) {
  const int64_t before = resident_bytes();
  EXPECT_GT(before, int64_t{1} << 20);
  EXPECT_GE(peak_resident_bytes() + (int64_t{4} << 20), before);  // the two are not read at the same moment
  Buffer more = *Buffer::allocate(int64_t{64} << 20);
  for (int64_t i = 0; i < more.bytes(); i += 4096) more.data()[i] = std::byte{1};
  EXPECT_NEAR(static_cast<double>(resident_bytes() - before), 64.0 * (1 << 20), 8.0 * (1 << 20));
  const OtherCpu others;
  EXPECT_GE(others.share(), 0);
  EXPECT_LE(others.share(), 1);
}

}  // namespace
}  // namespace sambay
