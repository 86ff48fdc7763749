#include "base/atomic_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "support/temp_folder.h"

namespace sambay {
namespace {

using test::read_file;
using test::TempFolder;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

std::span<const std::byte> bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

/// Each behaviour with unnamed files (O_TMPFILE) and with the fallback.
class AtomicFileTest : public ::testing::TestWithParam<bool> {
 protected:
  Result<AtomicFile> create(const std::string& path) { return AtomicFile::create(path, GetParam()); }
  const TempFolder folder_;
};
std::string way_name(const ::testing::TestParamInfo<bool>& way) {
  return way.param ? "Unnamed" : "TemporaryName";
}
INSTANTIATE_TEST_SUITE_P(EachWay, AtomicFileTest, ::testing::Bool(), way_name);

TEST_P(AtomicFileTest, AppearsWithItsContentOnCommitOnly) {
  AtomicFile file = *create(folder_.file("out"));
  ASSERT_TRUE(file.write(bytes("hello ")));
  ASSERT_TRUE(file.write(bytes("world")));
  EXPECT_EQ(file.size(), 11);
  EXPECT_THAT(folder_.names(), Not(Contains("out")));
  ASSERT_TRUE(file.commit());
  EXPECT_THAT(folder_.names(), ElementsAre("out"));
  EXPECT_EQ(read_file(folder_.file("out")), "hello world");
}

TEST_P(AtomicFileTest, ReplacesAnExistingFileOnCommitOnly) {
  folder_.write("out", "old");
  AtomicFile file = *create(folder_.file("out"));
  ASSERT_TRUE(file.write(bytes("new")));
  EXPECT_EQ(read_file(folder_.file("out")), "old");
  ASSERT_TRUE(file.commit());
  EXPECT_EQ(read_file(folder_.file("out")), "new");
  EXPECT_THAT(folder_.names(), ElementsAre("out"));
}

TEST_P(AtomicFileTest, LeavesNothingWithoutCommit) {
  folder_.write("out", "old");
  {
    AtomicFile file = *create(folder_.file("out"));
    ASSERT_TRUE(file.write(bytes("new")));
    AtomicFile moved = std::move(file);
    AtomicFile other = *create(folder_.file("other"));
    other = std::move(moved);
    ASSERT_TRUE(other.write(bytes("more")));
  }
  EXPECT_THAT(folder_.names(), ElementsAre("out"));
  EXPECT_EQ(read_file(folder_.file("out")), "old");
}

TEST_P(AtomicFileTest, WriteAtChangesBytesAndNotTheEnd) {
  AtomicFile file = *create(folder_.file("out"));
  ASSERT_TRUE(file.write(bytes("0123456789")));
  ASSERT_TRUE(file.write_at(2, bytes("ab")));
  ASSERT_TRUE(file.write_at(8, bytes("yz")));
  ASSERT_TRUE(file.write(bytes("!")));
  ASSERT_TRUE(file.commit());
  EXPECT_EQ(read_file(folder_.file("out")), "01ab4567yz!");
}

TEST_P(AtomicFileTest, WriteAtBeyondTheEndIsAnError) {
  AtomicFile file = *create(folder_.file("out"));
  ASSERT_TRUE(file.write(bytes("0123")));
  for (const int64_t offset : {int64_t{-1}, int64_t{3}, int64_t{4}, int64_t{5}, INT64_MAX}) {
    const auto status = file.write_at(offset, bytes("ab"));
    ASSERT_FALSE(status) << offset;
    EXPECT_EQ(status.error().code, ErrorCode::internal);
  }
}

TEST_P(AtomicFileTest, CanBeReadBackBeforeCommit) {
  AtomicFile file = *create(folder_.file("out"));
  ASSERT_TRUE(file.write(bytes("content")));
  EXPECT_EQ(read_file(file.inspection_path()), "content");
}

TEST_P(AtomicFileTest, ReservingDoesNotChangeTheContent) {
  AtomicFile file = *create(folder_.file("out"));
  ASSERT_TRUE(file.reserve(1 << 20));
  ASSERT_TRUE(file.write(bytes("abc")));
  EXPECT_EQ(file.size(), 3);
  ASSERT_TRUE(file.commit());
  EXPECT_EQ(read_file(folder_.file("out")), "abc");
}

TEST_P(AtomicFileTest, TakesANameAsLongAsNamesCanBe) {
  const std::string name(255, 'n');
  folder_.write(name, "old");
  AtomicFile file = *create(folder_.file(name));
  ASSERT_TRUE(file.write(bytes("new")));
  ASSERT_TRUE(file.commit());
  EXPECT_EQ(read_file(folder_.file(name)), "new");
}

TEST_P(AtomicFileTest, SaysWhichFolderIsMissing) {
  const auto file = create(folder_.file("none/out"));
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code, ErrorCode::io);
  EXPECT_THAT(file.error().message, StartsWith(folder_.file("none/out") + ": there is no folder"));
}

TEST_P(AtomicFileTest, RefusesTargetsThatAreNoFiles) {
  for (const std::string& path : {folder_.path(), std::string("/dev/null"), std::string("/dev/full")}) {
    const auto file = create(path);
    ASSERT_FALSE(file) << path;
    EXPECT_EQ(file.error().code, ErrorCode::io);
    EXPECT_THAT(file.error().message, StartsWith(path + ": "));
  }
  EXPECT_FALSE(create(""));
}

TEST_P(AtomicFileTest, SaysThatTheFolderMayNotBeWritten) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may write anywhere";
  ::chmod(folder_.path().c_str(), 0500);
  const auto file = create(folder_.file("out"));
  ::chmod(folder_.path().c_str(), 0700);
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code, ErrorCode::io);
}

TEST(AtomicFileKilled, LeavesNothingWhenUnnamed) {
  const TempFolder folder;
  const pid_t child = ::fork();
  if (child == 0) {
    auto file = AtomicFile::create(folder.file("out"));
    if (!file || !file->write(bytes("half of it")) || !file->inspection_path().starts_with("/proc/"))
      ::_exit(9);
    ::kill(::getpid(), SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 9) GTEST_SKIP() << "no unnamed files on this file system";
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_THAT(folder.names(), IsEmpty());
}

/// Prints the error of the first failing step and exits with 5, or with 0 when nothing failed.
[[noreturn]] void write_a_megabyte(const std::string& path, bool allow_unnamed, bool reserve) {
  const std::vector<std::byte> block(64 << 10);
  Result<void> status;
  {
    auto file = AtomicFile::create(path, allow_unnamed);
    if (!file) status = tl::unexpected(file.error());
    if (status && reserve) status = file->reserve(1 << 20);
    for (int i = 0; status && i < 16; i++) status = file->write(block);
    if (status) status = file->commit();
  }
  if (status) ::_exit(0);
  std::fprintf(stderr, "%s\n", status.error().message.c_str());
  ::_exit(status.error().code == ErrorCode::io ? 5 : 1);
}

void limit_file_size() {
  const rlimit limit{100'000, 100'000};
  ::signal(SIGXFSZ, SIG_IGN);
  ::setrlimit(RLIMIT_FSIZE, &limit);
}

/// In a mount namespace of the calling child, so that the disk disappears with it. Exits with 77 where that
/// is not allowed.
void mount_small_disk(const std::string& at) {
  if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      ::mount("tmpfs", at.c_str(), "tmpfs", 0, "size=256k") != 0)
    ::_exit(77);
}

using AtomicFileDeathTest = AtomicFileTest;
INSTANTIATE_TEST_SUITE_P(EachWay, AtomicFileDeathTest, ::testing::Bool(), way_name);

TEST_P(AtomicFileDeathTest, SaysThatTheFileWouldBeLargerThanAllowed) {
  for (const bool reserve : {false, true}) {
    EXPECT_EXIT(
        {
          limit_file_size();
          write_a_megabyte(folder_.file("out"), GetParam(), reserve);
        },
        ::testing::ExitedWithCode(5), "/out: .*larger than .*ulimit -f");
    EXPECT_THAT(folder_.names(), IsEmpty());
  }
}

TEST_P(AtomicFileDeathTest, SaysThatTheDiskIsFull) {
  const std::string disk = folder_.file("disk");
  ASSERT_EQ(::mkdir(disk.c_str(), 0700), 0);
  const pid_t probe = ::fork();
  if (probe == 0) {
    mount_small_disk(disk);
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(probe, &status, 0), probe);
  if (WEXITSTATUS(status) == 77) GTEST_SKIP() << "mounting a small disk is not allowed here";
  for (const bool reserve : {false, true})
    EXPECT_EXIT(
        {
          mount_small_disk(disk);
          write_a_megabyte(disk + "/out", GetParam(), reserve);
        },
        ::testing::ExitedWithCode(5), "/disk/out: .*: the disk is full .*free space");
}

TEST_P(AtomicFileDeathTest, WritingAfterCommitIsABug) {
  AtomicFile file = *create(folder_.file("out"));
  ASSERT_TRUE(file.commit());
  EXPECT_DEATH((void)file.write(bytes("x")), "bug at");
}

TEST(RefuseOutputOverInput, KnowsAFileByWhateverName) {
  const TempFolder folder;
  folder.write("in", "kept");
  folder.write("else", "");
  std::filesystem::create_symlink("in", folder.file("link"));
  std::filesystem::create_hard_link(folder.file("in"), folder.file("twin"));
  const std::vector<std::string> inputs = {"", folder.file("missing"), folder.file("in")};
  for (const std::string name : {"in", "link", "twin", "./in"}) {
    const auto status = refuse_output_over_input("-o", folder.file(name), inputs);
    ASSERT_FALSE(status) << name;
    EXPECT_EQ(status.error().code, ErrorCode::invalid_argument);
    EXPECT_EQ(status.error().message, "-o " + folder.file(name) + ": is what is read; choose another name");
  }
  for (const std::string name : {"else", "missing", "new"})
    EXPECT_TRUE(refuse_output_over_input("-o", folder.file(name), inputs)) << name;
  EXPECT_TRUE(refuse_output_over_input("-o", "", inputs));
}

}  // namespace
}  // namespace sambay
