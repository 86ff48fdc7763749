// Exact values of what stands on one line of work.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sambay {

/// In lowest terms, denominator above 0.
struct Rational {
  int64_t numerator = 0, denominator = 1;
  bool operator==(const Rational&) const = default;
};

/// Numbers (3, 3.5) joined by + - * / % and parentheses; nullopt when it is anything else, divides by zero or
/// leaves 63 bits. At most 1,000 bytes.
std::optional<Rational> evaluate_expression(std::string_view text);

enum class Truth { no_arithmetic, wrong, right };
/// Expressions joined by =, < or >, such as 5-1=4<7; in front of them a number and a colon, of which what
/// follows is a part (76:24*3=72). `value`: of the last one, when right.
Truth check_statement(std::string_view text, Rational& value);
/// Statements apart by commas; `value` is the last one's. no_arithmetic when any of them is.
Truth check_statements(std::string_view line, Rational& value);

}  // namespace sambay
