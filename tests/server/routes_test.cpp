#include "server/routes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>
#include <string>

namespace sambay::server {
namespace {

TEST(Routes, AreAllInTheApiDescription) {
  std::ifstream file(SAMBAY_SOURCE_DIR "/docs/openapi.yaml");
  std::stringstream text;
  text << file.rdbuf();
  for (const Route& route : routes()) {
    if (route.run == route_not_yet || route.run == route_page) continue;
    std::string path(route.path);
    if (path.ends_with('*')) path.back() = '{';
    const std::string end = path.ends_with('{') ? "" : ":\n";
    EXPECT_THAT(text.str(), testing::AnyOf(testing::HasSubstr("\n  " + path + end),
                                           testing::HasSubstr("\n  /v1" + path + end)));
  }
}

TEST(Routes, OnlyWhatTellsNothingIsOpenWithoutAKey) {
  std::set<std::string_view> open;
  for (const Route& route : routes())
    if (!route.needs_key) open.insert(route.path);
  EXPECT_EQ(open, (std::set<std::string_view>{"/", "/ui/*", "/models", "/models/*", "/health", "/ready"}));
}

TEST(Routes, WhatGeneratesCountsAgainstTheLimitsAndRunsOnWorkers) {
  for (const Route& route : routes()) {
    if (route.method != "POST" || route.run == route_not_yet) continue;
    EXPECT_TRUE(route.counts) << route.path;
    EXPECT_FALSE(route.quick) << route.path;
    EXPECT_TRUE(route.needs_key) << route.path;
  }
}

}  // namespace
}  // namespace sambay::server
