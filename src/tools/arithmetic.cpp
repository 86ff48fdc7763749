#include "tools/arithmetic.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace sambay {
namespace {

constexpr size_t kMaxBytes = 1000;
constexpr int kMaxDepth = 50;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::optional<int64_t> times(int64_t a, int64_t b) {
  int64_t out;
  return __builtin_mul_overflow(a, b, &out) ? std::nullopt : std::optional(out);
}

std::optional<Rational> reduced(std::optional<int64_t> n, std::optional<int64_t> d) {
  constexpr int64_t kLeast = std::numeric_limits<int64_t>::min();  // has no absolute value
  if (!n || !d || *d == 0 || *n == kLeast || *d == kLeast) return std::nullopt;
  const int64_t divisor = std::gcd(*n, *d), sign = *d < 0 ? -1 : 1;
  return Rational{sign * *n / divisor, sign * *d / divisor};
}

std::optional<Rational> plus(const Rational& a, const Rational& b) {
  const auto left = times(a.numerator, b.denominator), right = times(b.numerator, a.denominator);
  int64_t sum;
  if (!left || !right || __builtin_add_overflow(*left, *right, &sum)) return std::nullopt;
  return reduced(sum, times(a.denominator, b.denominator));
}
Rational negative(const Rational& a) { return {-a.numerator, a.denominator}; }

/// One operation of the row of * / %; the sign of % is never needed.
std::optional<Rational> combine(const Rational& a, char sign, const Rational& b) {
  if (sign == '*') return reduced(times(a.numerator, b.numerator), times(a.denominator, b.denominator));
  if (sign == '/') return reduced(times(a.numerator, b.denominator), times(a.denominator, b.numerator));
  if (a.denominator != 1 || b.denominator != 1 || a.numerator < 0 || b.numerator <= 0) return std::nullopt;
  return Rational{a.numerator % b.numerator, 1};
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}
  std::optional<Rational> run() {
    const auto value = total(0);
    return value && at_ == text_.size() ? value : std::nullopt;
  }

 private:
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

  std::optional<Rational> total(int depth) {
    auto value = product(depth);
    while (value && (peek() == '+' || peek() == '-')) {
      const char sign = text_[at_++];
      const auto right = product(depth);
      if (!right) return std::nullopt;
      value = plus(*value, sign == '+' ? *right : negative(*right));
    }
    return value;
  }
  std::optional<Rational> product(int depth) {
    auto value = factor(depth);
    while (value && (peek() == '*' || peek() == '/' || peek() == '%')) {
      const char sign = text_[at_++];
      const auto right = factor(depth);
      if (!right) return std::nullopt;
      value = combine(*value, sign, *right);
    }
    return value;
  }
  std::optional<Rational> factor(int depth) {
    if (depth > kMaxDepth) return std::nullopt;
    if (peek() == '-') {
      at_++;
      const auto value = factor(depth + 1);
      return value ? std::optional(negative(*value)) : std::nullopt;
    }
    if (peek() != '(') return number();
    at_++;
    const auto value = total(depth + 1);
    if (peek() != ')') return std::nullopt;
    at_++;
    return value;
  }
  std::optional<Rational> number() {
    if (!is_digit(peek())) return std::nullopt;
    std::optional<int64_t> digits = 0, scale = 1;
    bool point = false;
    for (; is_digit(peek()) || (peek() == '.' && !point); at_++) {
      if (peek() == '.') {
        point = true;
        if (at_ + 1 >= text_.size() || !is_digit(text_[at_ + 1])) return std::nullopt;
        continue;
      }
      int64_t next;
      digits = times(*digits, 10);
      if (!digits || __builtin_add_overflow(*digits, peek() - '0', &next)) return std::nullopt;
      digits = next;
      if (point && !(scale = times(*scale, 10))) return std::nullopt;
    }
    return reduced(digits, scale);
  }

  std::string_view text_;
  size_t at_ = 0;
};

/// Whether a is less than b, by the sign of the difference.
std::optional<bool> less(const Rational& a, const Rational& b) {
  const auto difference = plus(a, negative(b));
  return difference ? std::optional(difference->numerator < 0) : std::nullopt;
}

}  // namespace

std::optional<Rational> evaluate_expression(std::string_view text) {
  return text.size() > kMaxBytes ? std::nullopt : Parser(text).run();
}

namespace {
/// 76:24*3=72 says how often 24 goes into 76: the value may be no more than what stands before the colon.
Truth check_share(std::string_view text, size_t colon, Rational& value) {
  const auto whole = evaluate_expression(text.substr(0, colon));
  const Truth truth = check_statement(text.substr(colon + 1), value);
  if (truth != Truth::right || !whole) return whole ? truth : Truth::no_arithmetic;
  return less(*whole, value).value_or(true) ? Truth::wrong : Truth::right;
}
}  // namespace

Truth check_statement(std::string_view text, Rational& value) {
  constexpr std::string_view kRelations = "=<>";
  constexpr std::string_view kAllowed = "0123456789.+-*/%()=<>";
  if (const size_t colon = text.find(':'); colon != std::string_view::npos && text.rfind(':') == colon)
    return check_share(text, colon, value);
  if (text.size() > kMaxBytes || text.find_first_of(kRelations) == std::string_view::npos ||
      text.find_first_not_of(kAllowed) != std::string_view::npos)
    return Truth::no_arithmetic;
  Truth truth = Truth::right;
  char relation = '\0';
  for (std::string_view rest = text;;) {
    const size_t end = std::min(rest.find_first_of(kRelations), rest.size());
    const auto next = evaluate_expression(rest.substr(0, end));
    if (!next) return Truth::no_arithmetic;
    if (relation == '=' && !(*next == value)) truth = Truth::wrong;
    if (relation == '<' && !less(value, *next).value_or(false)) truth = Truth::wrong;
    if (relation == '>' && !less(*next, value).value_or(false)) truth = Truth::wrong;
    value = *next;
    if (end == rest.size()) return truth;
    relation = rest[end];
    rest.remove_prefix(end + 1);
  }
}

Truth check_statements(std::string_view line, Rational& value) {
  Truth truth = Truth::right;
  for (bool more = true; more;) {
    const size_t comma = std::min(line.find(','), line.size());
    const Truth one = check_statement(line.substr(0, comma), value);
    if (one == Truth::no_arithmetic) return one;
    if (one == Truth::wrong) truth = one;
    more = comma < line.size();
    line.remove_prefix(more ? comma + 1 : comma);
  }
  return truth;
}

}  // namespace sambay
