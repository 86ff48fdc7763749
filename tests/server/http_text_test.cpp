#include "server/http_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/api_error.h"

namespace sambay::server {
namespace {

using testing::HasSubstr;
using testing::Not;

HttpRequest with_headers(std::vector<std::pair<std::string, std::string>> headers) {
  HttpRequest request;
  request.headers = std::move(headers);
  return request;
}

int fault(std::vector<std::pair<std::string, std::string>> headers, int version = 11) {
  const auto found = head_fault(with_headers(std::move(headers)), version);
  return found ? found->status : 0;
}

TEST(SplitTarget, TakesOriginAndAbsoluteForm) {
  std::string path, query;
  ASSERT_TRUE(split_target("/a/b?c=d", path, query));
  EXPECT_EQ(path + "|" + query, "/a/b|c=d");
  ASSERT_TRUE(split_target("http://host:1/x", path, query));
  EXPECT_EQ(path, "/x");
  ASSERT_TRUE(split_target("https://host", path, query));
  EXPECT_EQ(path, "/");
  for (const char* target : {"", "x", "/a b", "/a\x7f", "/a#b", "//\n"})
    EXPECT_FALSE(split_target(target, path, query)) << target;
}

TEST(HeadFault, RefusesWhatTwoServersCouldReadDifferently) {
  EXPECT_EQ(fault({{"host", "h"}}), 0);
  EXPECT_EQ(fault({{"host", "h"}, {"content-length", "3"}}), 0);
  EXPECT_EQ(fault({{"host", "h"}, {"transfer-encoding", "Chunked"}}), 0);
  EXPECT_EQ(fault({}), 400);
  EXPECT_EQ(fault({}, 10), 0);
  EXPECT_EQ(fault({{"host", "a"}, {"host", "b"}}), 400);
  EXPECT_EQ(fault({{"host", "h"}, {"content-length", "3"}, {"content-length", "3"}}), 400);
  EXPECT_EQ(fault({{"host", "h"}, {"content-length", "3"}, {"transfer-encoding", "chunked"}}), 400);
  EXPECT_EQ(fault({{"host", "h"}, {"transfer-encoding", "chunked"}, {"transfer-encoding", "chunked"}}), 400);
  EXPECT_EQ(fault({{"host", "h"}, {"content-length", "3, 3"}}), 400);
  EXPECT_EQ(fault({{"host", "h"}, {"content-length", "+3"}}), 400);
  EXPECT_EQ(fault({{"host", "h"}, {"transfer-encoding", "gzip, chunked"}}), 501);
  EXPECT_EQ(fault({{"host", "h"}, {"transfer-encoding", "chunked"}}, 10), 400);
  EXPECT_EQ(fault({{"host", "h"}, {"content-encoding", "gzip"}}), 415);
  EXPECT_EQ(fault({{"host", "h"}, {"expect", "a miracle"}}), 417);
  EXPECT_EQ(fault({{"host", "h"}, {"expect", "100-CONTINUE"}}), 0);
}

TEST(ResponseHead, CannotBeSplitByAValue) {
  HttpResponse response;
  response.headers = {{"x", "a\r\nSet-Cookie: b"}};
  EXPECT_THAT(response_head(response, 0, 11, true, "id"), Not(HasSubstr("\nSet-Cookie")));
}

TEST(ResponseHead, SaysHowTheBodyEnds) {
  const HttpResponse response;
  EXPECT_THAT(response_head(response, 5, 11, true, "id"), HasSubstr("Content-Length: 5\r\n"));
  EXPECT_THAT(response_head(response, std::nullopt, 11, true, "id"),
              HasSubstr("Transfer-Encoding: chunked\r\n"));
  EXPECT_THAT(response_head(response, std::nullopt, 10, false, "id"), Not(HasSubstr("Transfer-Encoding")));
  EXPECT_THAT(response_head(response, 5, 11, false, "id"), HasSubstr("Connection: close\r\n"));
}

TEST(RequestId, IsTheClientsWhenPlain) {
  EXPECT_EQ(request_id("abc-1.2_3"), "abc-1.2_3");
  EXPECT_THAT(request_id("a b"), testing::StartsWith("req-"));
  EXPECT_THAT(request_id(std::string(129, 'a')), testing::StartsWith("req-"));
  EXPECT_NE(request_id(""), request_id(""));
}

TEST(QueryValue, DecodesAndFinds) {
  EXPECT_EQ(query_value("a=1&action=sa%76e&x", "action"), "save");
  EXPECT_EQ(query_value("a=1&x", "x"), "");
  EXPECT_EQ(query_value("a=%zz%4", "a"), "%zz%4");
  EXPECT_FALSE(query_value("a=1", "b"));
}

TEST(ApiError, OfTheEngineNamesTheField) {
  const ApiError error = from_engine({ErrorCode::invalid_argument, "top_p: must be above 0"});
  EXPECT_EQ(error.status, 400);
  EXPECT_EQ(error.param, "top_p");
  EXPECT_EQ(from_engine({ErrorCode::invalid_argument, "No field: at all"}).param, "");
}

TEST(ApiError, FullQueueIs429AndNeverAConflict) {
  EXPECT_EQ(from_engine({ErrorCode::busy, "full"}).status, 429);
  for (const ErrorCode code : {ErrorCode::invalid_argument, ErrorCode::unsupported, ErrorCode::corrupt})
    EXPECT_EQ(from_engine({code, "x"}).status, 400);
}

TEST(ApiError, WritesNullForWhatIsNotKnown) {
  EXPECT_EQ(to_json({.message = "m"}),
            R"({"error":{"message":"m","type":"invalid_request_error","param":null,"code":null}})");
  EXPECT_THAT(to_json({.message = "bad \xff bytes"}), HasSubstr("bad \xef\xbf\xbd bytes"));
}

}  // namespace
}  // namespace sambay::server
