#include "base/mapped_file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/temp_folder.h"

namespace sambay {
namespace {

using test::TempFolder;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string written(const TempFolder& folder, std::string_view name, std::string_view bytes) {
  folder.write(name, bytes);
  return folder.file(name);
}

std::string text_of(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

/// Reads a byte in a way that the compiler cannot leave out.
char touch(const void* at) { return *static_cast<const volatile char*>(at); }

TEST(MappedFile, GivesTheBytesAndThePath) {
  const TempFolder folder;
  const std::string path = written(folder, "a", "hello");
  const auto file = MappedFile::open(path);
  ASSERT_TRUE(file);
  EXPECT_EQ(text_of(*file), "hello");
  EXPECT_EQ(file->path(), path);
}

TEST(MappedFile, GivesAnEmptySpanForAnEmptyFile) {
  const TempFolder folder;
  const auto file = MappedFile::open(written(folder, "a", ""));
  ASSERT_TRUE(file);
  EXPECT_TRUE(file->bytes().empty());
}

TEST(MappedFile, KeepsItsBytesWhenMoved) {
  const TempFolder folder;
  MappedFile first = *MappedFile::open(written(folder, "a", "first"));
  MappedFile second = std::move(first);
  EXPECT_EQ(text_of(second), "first");
  EXPECT_TRUE(first.bytes().empty());
  second = *MappedFile::open(written(folder, "b", "second"));
  EXPECT_EQ(text_of(second), "second");
}

TEST(MappedFile, SaysNotFoundForAMissingFileAndForAFolder) {
  const TempFolder folder;
  const auto missing = MappedFile::open(folder.file("none"));
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::not_found);
  EXPECT_THAT(missing.error().message, StartsWith(folder.file("none") + ": "));
  const auto is_folder = MappedFile::open(folder.path());
  ASSERT_FALSE(is_folder);
  EXPECT_EQ(is_folder.error().code, ErrorCode::not_found);
  EXPECT_THAT(is_folder.error().message, HasSubstr("is a folder"));
}

TEST(MappedFile, RefusesAPipeAtOnceInsteadOfWaitingForAWriter) {
  const TempFolder folder;
  ASSERT_EQ(::mkfifo(folder.file("pipe").c_str(), 0600), 0);
  const auto pipe = MappedFile::open(folder.file("pipe"));
  ASSERT_FALSE(pipe);
  EXPECT_EQ(pipe.error().code, ErrorCode::unsupported);
}

TEST(MappedFile, ManyMoreFilesThanTheFaultTableCanBeOpenAtOnce) {
  const TempFolder folder;
  const std::string path = written(folder, "a", "x");
  std::vector<MappedFile> files;
  for (int i = 0; i < 1300; i++) files.push_back(*MappedFile::open(path));
  for (const MappedFile& file : files) EXPECT_EQ(text_of(file), "x");
}

// Two pages, of which the second one disappears.
std::string two_pages(const TempFolder& folder) {
  return written(folder, "weights", std::string(static_cast<size_t>(2 * ::sysconf(_SC_PAGESIZE)), 'x'));
}

void fault_in_a_mapped_file(const std::string& path) {
  install_mapping_fault_handler();
  // Slots of closed files are used again: the table does not run full.
  for (int i = 0; i < 1000; i++) {
    const MappedFile file = *MappedFile::open(path);
    touch(file.bytes().data());
  }
  const MappedFile file = *MappedFile::open(path);
  if (::truncate(path.c_str(), 1) == 0) touch(&file.bytes().back());
}

void fault_in_another_mapping(const std::string& path) {
  install_mapping_fault_handler();
  const int fd = ::open(path.c_str(), O_RDONLY);
  const auto size = static_cast<size_t>(2 * ::sysconf(_SC_PAGESIZE));
  const char* data = static_cast<char*>(::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0));
  if (::truncate(path.c_str(), 1) == 0) touch(data + size - 1);
}

TEST(MappingFaultDeathTest, AShrinkingFileEndsWithAMessageAndStatus3) {
  const TempFolder folder;
  EXPECT_EXIT(fault_in_a_mapped_file(two_pages(folder)), ::testing::ExitedWithCode(3),
              "sambay: error: .*/weights: became shorter while in use; ");
}

TEST(MappingFaultDeathTest, AFaultElsewhereIsStillABusError) {
  const TempFolder folder;
  EXPECT_EXIT(fault_in_another_mapping(two_pages(folder)), ::testing::KilledBySignal(SIGBUS), "");
}

TEST(MappingFaultDeathTest, ASignalThatSomebodySentIsNotSwallowed) {
  EXPECT_EXIT(
      {
        install_mapping_fault_handler();
        ::raise(SIGBUS);
      },
      ::testing::KilledBySignal(SIGBUS), "");
}

}  // namespace
}  // namespace sambay
