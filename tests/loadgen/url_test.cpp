#include "loadgen/url.h"

#include <gtest/gtest.h>

namespace sambay {
namespace {

TEST(ServerUrl, HasHostPortAndWhatStandsBeforeV1) {
  struct Case {
    const char *text, *host, *port, *path, *authority;
    bool tls;
  };
  for (const Case& c :
       {Case{"http://127.0.0.1:8080", "127.0.0.1", "8080", "", "127.0.0.1:8080", false},
        Case{"http://localhost", "localhost", "80", "", "localhost", false},
        Case{"https://api.example.com/v1/", "api.example.com", "443", "", "api.example.com", true},
        Case{"https://h:444/a/b/v1", "h", "444", "/a/b", "h:444", true},
        Case{"http://h//", "h", "80", "", "h", false},
        Case{"http://[::1]:81/x", "::1", "81", "/x", "[::1]:81", false}}) {
    const auto url = parse_server_url(c.text);
    ASSERT_TRUE(url) << c.text;
    EXPECT_EQ(url->host, c.host);
    EXPECT_EQ(url->port, c.port);
    EXPECT_EQ(url->path, c.path);
    EXPECT_EQ(url->authority(), c.authority);
    EXPECT_EQ(url->tls, c.tls);
  }
}

TEST(ServerUrl, RefusesWhatIsNone) {
  for (const char* text :
       {"", "localhost:8080", "ftp://h", "http://", "http://:80", "http://h:", "http://h:0", "http://h:65536",
        "http://h:8x", "http://[::1", "http://[::1]8", "http://u@h", "http://h/a b", "http://h/a?b",
        "http://h\r\nX: y", "http://h/\r\nX: y"}) {
    const auto url = parse_server_url(text);
    ASSERT_FALSE(url) << text;
    EXPECT_EQ(url.error().code, ErrorCode::invalid_argument);
    EXPECT_EQ(url.error().message.find('\n'), std::string::npos);
  }
}

}  // namespace
}  // namespace sambay
