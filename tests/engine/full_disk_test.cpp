// Parking on a disk that is full.
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <string>
#include <vector>

#include "engine/sharing_engine.h"
#include "support/temp_folder.h"

namespace sambay {
namespace {

/// In a mount namespace of the calling child, so that the disk disappears with it. Exits with 77 where that
/// is not allowed.
void mount_small_disk(const std::string& at) {
  if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      ::mount("tmpfs", at.c_str(), "tmpfs", 0, "size=2m") != 0)
    ::_exit(77);
}

class FullDiskDeathTest : public SharingTest {
 protected:
  /// Exits with 0 when every answer came to its end although the prefix cache had filled the disk.
  [[noreturn]] static void park_on(const std::string& disk) {
    mount_small_disk(disk);
    constexpr int kAtOnce = 6;
    EngineOptions options = with_cache(kMiB);
    options.max_sequences = kAtOnce, options.max_context = 700, options.total_context = 1400;
    options.spill_folder = disk, options.spill_bytes = 64 * kMiB;
    const auto engine = open(options);
    for (TokenId i = 0; i < 20; i++) answer(*engine, about(long_prompt(100, i), 1));
    const Stats filled = engine->stats();
    const bool is_full = filled.cache_spilled > 0 && filled.cache_evicted > filled.cache_spilled;
    std::vector<Generation> generations;
    for (TokenId i = 0; i < kAtOnce; i++)
      generations.push_back(*engine->submit(about(long_prompt(100, 100 + i), -1)));
    int ended = 0;
    for (Generation& generation : generations) ended += drain(generation).finish == FinishReason::length;
    const Stats stats = engine->stats();
    std::fprintf(stderr, "full: %d, %d ended, %d parked, %lld bytes on disk\n", is_full, ended,
                 static_cast<int>(stats.parked), static_cast<long long>(stats.spill_bytes));
    ::_exit(is_full && stats.parked > 0 && ended == kAtOnce ? 0 : 1);
  }
};

TEST_F(FullDiskDeathTest, WhatIsOnlyCachedMakesRoomForWhatRuns) {
  const test::TempFolder folder;
  const std::string disk = folder.file("disk");
  ASSERT_EQ(::mkdir(disk.c_str(), 0700), 0);
  const pid_t probe = ::fork();
  if (probe == 0) {
    mount_small_disk(disk);
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(probe, &status, 0), probe);
  if (WEXITSTATUS(status) == 77) GTEST_SKIP() << "mounting a small disk is not allowed here";
  EXPECT_EXIT(park_on(disk), ::testing::ExitedWithCode(0), "full: 1");
}

}  // namespace
}  // namespace sambay
