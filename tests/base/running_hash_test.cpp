#include "base/running_hash.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <span>
#include <vector>

namespace sambay {
namespace {

TEST(RunningHash, PiecesOfAnySizeGiveXxh3OfTheWhole) {
  std::vector<uint8_t> bytes(3000);
  std::iota(bytes.begin(), bytes.end(), uint8_t{5});
  const auto whole = std::as_bytes(std::span(bytes));
  for (const uint64_t seed : {uint64_t{0}, uint64_t{77}})
    for (const size_t piece : {size_t{1}, size_t{7}, size_t{256}, size_t{3000}}) {
      RunningHash hash(seed);
      for (size_t first = 0; first < whole.size(); first += piece) {
        EXPECT_EQ(hash.digest(), XXH3_64bits_withSeed(bytes.data(), first, seed));  // and more may follow
        hash.update(whole.subspan(first, std::min(piece, whole.size() - first)));
      }
      EXPECT_EQ(hash.digest(), XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed));
    }
}

// Files of earlier versions hold these: the digests that xxHash's specification gives for XXH3 of nothing.
TEST(RunningHash, OfNothingIsThatOfTheSpecification) {
  EXPECT_EQ(RunningHash().digest(), 0x2d06800538d394c2u);
}

}  // namespace
}  // namespace sambay
