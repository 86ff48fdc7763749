// Files of problems, and the check of their own work.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "tools/problems.h"
#include "tools/work_check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto set = sambay::parse_problems({reinterpret_cast<const char*>(data), size}, "fuzz");
  if (!set) return 0;
  if (set->problems.empty()) std::abort();
  for (const sambay::Problem& problem : set->problems) {
    if (problem.family.empty() || problem.answer.empty() || problem.messages.empty()) std::abort();
    // What is expected is right by definition; the same work with a line more has to be read.
    if (!problem.accepts(problem.answer)) std::abort();
    if (!problem.thinking) {
      sambay::arithmetic_fault(problem.answer);
      continue;
    }
    if (!sambay::work_fault(*problem.thinking, *problem.thinking, problem.answer).empty()) std::abort();
    sambay::work_fault(*problem.thinking + "\n1+1=2", *problem.thinking, problem.answer);
  }
  return 0;
}
