// A handful of problems for tests of the evaluation. What the model makes of them does not matter.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "tools/problems.h"

namespace sambay::test {

inline std::string pocket() { return SAMBAY_SOURCE_DIR "/models/pocket"; }

inline ProblemSet few_problems() {
  constexpr const char* kText =
      R"({"seed": 7, "split": "test"}
{"family":"add","messages":[{"role":"user","content":"What is 3 + 4?"}],"thinking":"3+4=7","answer":"7","key":"add:3+4"}
{"family":"mul","messages":[{"role":"user","content":"What is 3 * 4?"}],"thinking":"3*4=12","answer":"12","key":"mul:3*4"}
{"family":"add","messages":[{"role":"user","content":"What is 20 + 30?"}],"thinking":"20+30=50","answer":"50","key":"add:20+30"}
{"family":"add","messages":[{"role":"user","content":"What is 21 + 31?"}],"thinking":"21+31=52","answer":"52","key":"add:21+31"}
)";
  const auto set = parse_problems(kText, "few");
  EXPECT_TRUE(set) << set.error().message;
  return *set;
}

}  // namespace sambay::test
