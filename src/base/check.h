// SAMBAY_CHECK: for what only a bug of ours can cause. Never reachable from user input.
#pragma once

#include <string>

namespace sambay {
[[noreturn]] void check_failed(const char* file, int line, const char* condition, const std::string& detail);
}

/// Aborts with place, condition and `detail` (a std::string, evaluated only on failure).
#define SAMBAY_CHECK(cond, detail)                                          \
  do {                                                                      \
    if (!(cond)) ::sambay::check_failed(__FILE__, __LINE__, #cond, detail); \
  } while (false)
