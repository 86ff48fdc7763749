#include "base/byte_size.h"

#include <gtest/gtest.h>

namespace sambay {
namespace {

TEST(ParseByteSize, ReadsNumbersWithUnits) {
  EXPECT_EQ(*parse_byte_size("1"), 1);
  EXPECT_EQ(*parse_byte_size("1073741824"), int64_t{1} << 30);
  EXPECT_EQ(*parse_byte_size("3.5G"), int64_t{7} << 29);
  EXPECT_EQ(*parse_byte_size("800M"), int64_t{800} << 20);
  EXPECT_EQ(*parse_byte_size("800m"), int64_t{800} << 20);
  EXPECT_EQ(*parse_byte_size("4 GiB"), int64_t{4} << 30);
  EXPECT_EQ(*parse_byte_size("2GB"), 2'000'000'000);
  EXPECT_EQ(*parse_byte_size("64kb"), 64'000);
  EXPECT_EQ(*parse_byte_size("0.5T"), int64_t{1} << 39);
  EXPECT_EQ(*parse_byte_size("17B"), 17);
}

TEST(ParseByteSize, RefusesEverythingElseInOneLine) {
  for (const char* text :
       {"",      "G",    "0",    "0G",   "0.4",   "-1G",   "+1G",      "3.5X",
        "3..5G", "1e9",  "nan",  "inf",  "1GiBB", "1 G B", "1048576T", "99999999999999999999999999999999",
        "3.5",   "2.5B", "1,5G", "0x10", " 1G",   "\n",    "1G\n"}) {
    const auto bytes = parse_byte_size(text);
    ASSERT_FALSE(bytes) << text << " is " << *bytes;
    EXPECT_EQ(bytes.error().code, ErrorCode::invalid_argument);
    EXPECT_NE(bytes.error().message.find("as in 3.5G"), std::string::npos) << bytes.error().message;
    EXPECT_EQ(bytes.error().message.find('\n'), std::string::npos);
  }
}

TEST(FormatByteSize, ShowsThreeDigitsOrSo) {
  EXPECT_EQ(format_byte_size(0), "0 B");
  EXPECT_EQ(format_byte_size(1023), "1023 B");
  EXPECT_EQ(format_byte_size(1024), "1.00 KiB");
  EXPECT_EQ(format_byte_size(17 << 20), "17.0 MiB");
  EXPECT_EQ(format_byte_size(int64_t{1000} << 20), "0.98 GiB");
  EXPECT_EQ(format_byte_size(int64_t{7} << 29), "3.50 GiB");
  EXPECT_EQ(format_byte_size(INT64_MAX), "8.00 EiB");
}

}  // namespace
}  // namespace sambay
