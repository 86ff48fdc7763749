#include "tools/work_check.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <unordered_set>
#include <vector>

#include "base/printable.h"
#include "tools/arithmetic.h"

namespace sambay {
namespace {

constexpr size_t kMaxOperandDigits = 17;  // so that nothing leaves 63 bits
constexpr int kMaxProductDigits = 18, kMaxDecimals = 12;

std::vector<std::string_view> split_lines(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

/// Two whole numbers with a sign between them.
struct Task {
  int64_t a = 0, b = 0;
  char sign = 0;
};

std::optional<int64_t> whole(std::string_view text) {
  int64_t value = 0;
  const bool digits = !text.empty() && text.size() <= kMaxOperandDigits &&
                      text.find_first_not_of("0123456789") == std::string_view::npos;
  if (!digits || (text[0] == '0' && text.size() > 1)) return std::nullopt;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

std::optional<Task> task_of(std::string_view line) {
  const size_t at = line.find_first_of("+-*/");
  if (at == std::string_view::npos) return std::nullopt;
  const auto a = whole(line.substr(0, at)), b = whole(line.substr(at + 1));
  return a && b ? std::optional(Task{*a, *b, line[at]}) : std::nullopt;
}

int width_of(int64_t value) { return static_cast<int>(std::to_string(value).size()); }

/// What the digits of columns say, from the arithmetic of the whole numbers below each place.
struct Place {
  explicit Place(int index) {
    for (int i = 0; i < index; i++) unit *= 10;
  }
  int digit(int64_t value) const { return static_cast<int>(value / unit % 10); }
  /// The digits up to this place; all of them in the last column.
  std::string so_far(int64_t value, bool last) const {
    return last ? fmt::format("{:0{}}", value, width_of(unit))
                : fmt::format("{:0{}}", value % (unit * 10), width_of(unit));
  }
  int64_t unit = 1;
};

using Numbers = std::unordered_set<std::string>;

/// Every number as it is written, but for its sign.
std::vector<std::string> numbers_of(std::string_view text) {
  std::vector<std::string> numbers;
  std::string number;
  for (const char c : text) {
    if ((c >= '0' && c <= '9') || (c == '.' && !number.empty())) {
      number += c;
    } else if (!number.empty()) {
      numbers.push_back(std::move(number));
      number.clear();
    }
  }
  if (!number.empty()) numbers.push_back(std::move(number));
  return numbers;
}

class Reader {
 public:
  /// `known`: numbers that may be calculated with, besides results; nullptr: all.
  explicit Reader(std::string_view work, const Numbers* known = nullptr)
      : lines_(split_lines(work)), checks_numbers_(known != nullptr) {
    if (known) known_ = *known;
  }

  /// False when a line is wrong: then fault() says which.
  bool read() {
    while (at_ < lines_.size())
      if (!step()) return false;
    return true;
  }
  const std::string& fault() const { return fault_; }
  /// The lines that are no arithmetic, in order.
  const std::vector<std::string_view>& others() const { return others_; }

 private:
  bool step() {
    const std::string_view line = lines_[at_];
    if (const auto task = task_of(line); task && begins_columns(*task)) {
      if (!knows(line)) return false;
      at_++;
      return calculate(*task, line);
    }
    // " decimal 9/4": words that end in a task. (" 7*35" is what is left of an expression, and no task yet.)
    if (const size_t space = line.rfind(' '); space != std::string_view::npos && space > 0) {
      if (const auto task = task_of(line.substr(space + 1)); task && begins_columns(*task)) {
        others_.push_back(line);
        at_++;
        return calculate(*task, line);
      }
    }
    if (is_turned(line)) return turned(line);
    if (line.starts_with('=')) return restated(line);
    Rational value;
    const Truth truth = check_statements(line, value);
    if (truth == Truth::wrong) return wrong(fmt::format("'{}' is not true", printable(line)));
    if (truth == Truth::right) result_ = value;
    // Whether a true comparison is the one that matters, only the expected work can say.
    if (truth == Truth::no_arithmetic || line.find_first_of("<>") != std::string_view::npos)
      others_.push_back(line);
    else if (!knows_statements(line))
      return false;
    at_++;
    return true;
  }

  /// Whether all numbers of a task stand in the problem or were found before: 99*0=0 is true, but of no use
  /// when the problem has no 99. The rest of a statement is found with it.
  bool knows(std::string_view operands, std::string_view found = {}) {
    std::vector<std::string> numbers = numbers_of(operands);
    // Of 76:24*3=72 the 3 is tried, not known.
    if (operands.find(':') != std::string_view::npos && !numbers.empty()) numbers.pop_back();
    for (const std::string& number : numbers)
      if (checks_numbers_ && !known_.contains(number))
        return wrong(fmt::format("'{}' calculates with {}, which stands nowhere before",
                                 printable(lines_[at_]), printable(number)));
    for (std::string& number : numbers_of(found)) known_.insert(std::move(number));
    return true;
  }
  bool knows_statements(std::string_view line) {
    // 76:24*3=72 goes on with what is left: 76-72.
    if (const size_t colon = line.find(':'), comma = line.find(','); colon < comma) {
      const std::string_view taken = line.substr(0, std::min(comma, line.size()));
      const std::string rest =
          fmt::format(",{}-{}=", taken.substr(0, colon), taken.substr(taken.find('=') + 1));
      if (comma < line.size() && !line.substr(comma).starts_with(rest))
        return wrong(fmt::format("'{}' does not go on with {}", printable(line), rest.substr(1)));
    }
    while (!line.empty()) {
      const size_t comma = std::min(line.find(','), line.size());
      const std::string_view statement = line.substr(0, comma);
      const size_t equals = std::min(statement.find('='), statement.size());
      if (!knows(statement.substr(0, equals), statement.substr(equals))) return false;
      line.remove_prefix(std::min(comma + 1, line.size()));
    }
    return true;
  }

  /// A header is followed by columns; a task alone is some other line.
  bool begins_columns(const Task& task) const {
    if (at_ + 1 >= lines_.size()) return false;
    if (task.sign == '*' && width_of(task.a) + width_of(task.b) > kMaxProductDigits) return false;
    const std::string_view next = lines_[at_ + 1];
    return next.find("->") != std::string_view::npos ||
           (task.sign == '*' && next.starts_with(fmt::format("{}*", task.a)));
  }

  bool calculate(const Task& task, std::string_view line) {
    if (task.sign == '-' && task.a < task.b)
      return wrong(fmt::format("columns of {}, which is negative", line));
    if (task.sign == '/' && task.b == 0) return wrong(fmt::format("{} divides by zero", line));
    switch (task.sign) {
      case '+': return sum(task.a, task.b) && gives(task.a + task.b);
      case '-': return difference(task.a, task.b, true) && gives(task.a - task.b);
      case '*': return product(task.a, task.b) && gives(task.a * task.b);
      default: return division(task.a, task.b);
    }
  }
  bool gives(int64_t value) {
    result_ = Rational{value, 1};
    known_.insert(std::to_string(value));
    return true;
  }

  /// 78-503=-(503-78), -78+503=503-78: columns of the right side follow.
  static std::optional<Task> right_side(std::string_view line, bool& negated) {
    const size_t equals = line.find('=');
    if (equals == std::string_view::npos) return std::nullopt;
    std::string_view right = line.substr(equals + 1);
    negated = right.starts_with("-(") && right.ends_with(")");
    if (negated) right = right.substr(2, right.size() - 3);
    const auto task = task_of(right);
    return task && (task->sign == '+' || task->sign == '-') ? task : std::nullopt;
  }
  bool is_turned(std::string_view line) const {
    bool negated = false;
    const auto task = right_side(line, negated);
    return task && begins_columns(*task);
  }
  bool turned(std::string_view line) {
    bool negated = false;
    const Task task = *right_side(line, negated);
    Rational value;
    if (check_statement(line, value) != Truth::right)
      return wrong(fmt::format("'{}' is not true", printable(line)));
    if (!knows(line.substr(0, line.find('=')))) return false;
    at_++;
    if (task.sign == '+' ? !sum(task.a, task.b) : !difference(task.a, task.b, !negated)) return false;
    result_ = value;
    known_.insert(std::to_string(value.numerator < 0 ? -value.numerator : value.numerator));
    return !negated || expect(fmt::format("={}", value.numerator));
  }
  /// =425 behind what gave 425; behind anything else it is for whoever knows the problem.
  bool restated(std::string_view line) {
    const auto value = evaluate_expression(line.substr(1));
    if (!value || !result_ || !(*value == *result_)) others_.push_back(line);
    at_++;
    return true;
  }

  bool sum(int64_t a, int64_t b) {
    const int width = std::max(width_of(a), width_of(b));
    for (int i = 0; i < width; i++) {
      const Place place(i);
      const bool carry = a % place.unit + b % place.unit >= place.unit;
      const int x = place.digit(a), y = place.digit(b);
      if (!expect(fmt::format("{}+{}{}={}->{}", x, y, carry ? "+1" : "", x + y + carry,
                              place.so_far(a + b, i + 1 == width))))
        return false;
    }
    return true;
  }

  /// a >= b. `ends`: a result with zeros in front is stated again.
  bool difference(int64_t a, int64_t b, bool ends) {
    if (a < b) return wrong(fmt::format("columns of {}-{}, which is negative", a, b));
    const int width = width_of(a);
    for (int i = 0; i < width; i++)
      if (!expect(difference_column(a, b, Place(i)))) return false;
    return !ends || width_of(a - b) == width || expect(fmt::format("={}", a - b));
  }
  static std::string difference_column(int64_t a, int64_t b, const Place& place) {
    const int upper = place.digit(a), lower = place.digit(b);
    const bool lent = a % place.unit < b % place.unit;
    const bool borrows = a % (place.unit * 10) < b % (place.unit * 10);
    std::string text;
    int left = upper;
    if (lent && upper == 0) {
      text = "0-1<0,10-1=9,";
      left = 9;
    } else {
      if (lent) text = fmt::format("{}-1={}", upper, --left);
      if (borrows) text = fmt::format("{}<{}", lent ? text : std::to_string(upper), lower);
      if (borrows) left += 10;
      if (lent || borrows) text += ',';
    }
    return fmt::format("{}{}-{}={}->{}", text, left, lower, left - lower, place.so_far(a - b, false));
  }

  bool product_columns(int64_t a, int64_t digit, const std::string& zeros) {
    const int width = width_of(a);
    for (int i = 0; i < width; i++) {
      const Place place(i);
      const int64_t carry = a % place.unit * digit / place.unit;
      const int x = place.digit(a);
      if (!expect(fmt::format("{}*{}{}={}->{}{}", x, digit, carry ? fmt::format("+{}", carry) : "",
                              x * digit + carry, place.so_far(a * digit, i + 1 == width), zeros)))
        return false;
    }
    return true;
  }
  bool product(int64_t a, int64_t b) {
    if (b < 10) return product_columns(a, b, "");
    int64_t total = 0, unit = 1;
    bool first = true;
    std::vector<int64_t> partials;
    std::string zeros;
    for (int64_t rest = b; rest > 0; rest /= 10, unit *= 10, zeros += '0') {
      const int64_t digit = rest % 10, partial = a * digit * unit;
      const std::string task = fmt::format("{}*{}{}", a, digit, zeros);
      if (digit == 0 || a < 100) {
        if (!expect(fmt::format("{}={}", task, partial))) return false;
      } else if (!expect(task) || !product_columns(a, digit, zeros)) {
        return false;
      }
      if (digit != 0) partials.push_back(partial);
    }
    for (int64_t partial : partials) {
      if (!first && !add_partial(total, partial)) return false;
      total += partial;
      first = false;
    }
    return true;
  }
  bool add_partial(int64_t total, int64_t partial) {
    const std::string task = fmt::format("{}+{}", total, partial);
    if (at_ < lines_.size() && lines_[at_] == fmt::format("{}={}", task, total + partial)) return ++at_ > 0;
    return expect(task) && sum(total, partial);
  }

  bool division(int64_t a, int64_t b) {
    const std::string digits = std::to_string(a);
    int64_t part = 0, taken = 0;
    bool begun = false;
    for (size_t i = 0; i < digits.size(); i++) {
      part = part * 10 + (digits[i] - '0');
      taken = taken * 10 + (digits[i] - '0');
      begun = begun || part >= b || i + 1 == digits.size();
      if (!begun) continue;
      const int64_t times = part / b;
      if (!expect(fmt::format("{}:{}*{}={},{}-{}={}->{}", part, b, times, b * times, part, b * times,
                              part % b, taken / b)))
        return false;
      part %= b;
    }
    known_.insert(std::to_string(part));
    if (part != 0 && at_ < lines_.size() && lines_[at_].starts_with(fmt::format("{}:{}*", part * 10, b)))
      return decimals(fmt::format("{}.", a / b), part, b);
    gives(a / b);
    return expect(part ? fmt::format("={} r {}", a / b, part) : fmt::format("={}", a / b));
  }
  /// Long division goes on behind the point until nothing is left.
  bool decimals(std::string quotient, int64_t part, int64_t b) {
    for (int place = 0; part != 0 && place < kMaxDecimals; place++) {
      part *= 10;
      const int64_t times = part / b;
      quotient += std::to_string(times);
      if (!expect(fmt::format("{}:{}*{}={},{}-{}={}->{}", part, b, times, b * times, part, b * times,
                              part % b, quotient)))
        return false;
      part %= b;
    }
    result_ = evaluate_expression(quotient);
    known_.insert(quotient);
    return expect("=" + quotient);
  }

  bool expect(const std::string& wanted) {
    if (at_ >= lines_.size()) return wrong(fmt::format("it ends where '{}' should follow", wanted));
    if (lines_[at_] != wanted)
      return wrong(fmt::format("'{}' should be '{}'", printable(lines_[at_]), wanted));
    at_++;
    return true;
  }
  bool wrong(std::string why) {
    fault_ = fmt::format("line {}: {}", at_ + 1, why);
    return false;
  }

  std::vector<std::string_view> lines_;
  size_t at_ = 0;
  bool checks_numbers_ = false;
  Numbers known_;
  std::optional<Rational> result_;  // of the last calculation
  std::vector<std::string_view> others_;
  std::string fault_;
};

/// A result stands behind =, >, a colon or a space.
bool gives_answer(std::string_view line, std::string_view answer) {
  std::string short_form(answer);
  constexpr std::string_view kLong = " remainder ";
  if (const size_t at = short_form.find(kLong); at != std::string::npos)
    short_form.replace(at, kLong.size(), " r ");
  if (line == answer || line == "=" + short_form) return true;
  return line.ends_with(answer) && line.size() > answer.size() &&
         std::string_view("=> :").find(line[line.size() - answer.size() - 1]) != std::string_view::npos;
}

}  // namespace

std::string arithmetic_fault(std::string_view work) {
  Reader reader(work);
  return reader.read() ? "" : reader.fault();
}

std::string work_fault(std::string_view work, std::string_view expected, std::string_view answer) {
  if (work == expected) return "";
  if (work.empty()) return "there is none";
  if (expected.empty()) return "there should be none";
  if (work.ends_with('\n')) return "it ends in an empty line";
  const std::vector<std::string> numbers = numbers_of(expected);
  const Numbers known(numbers.begin(), numbers.end());
  Reader got(work, &known), wanted(expected);
  if (!got.read()) return got.fault();
  if (!wanted.read()) return "it is not the expected work, whose lines cannot be told apart";
  // A result stated again at the end may follow from what stands before it, or only from the problem.
  const auto others = [&](const Reader& reader) {
    std::vector<std::string_view> lines = reader.others();
    if (!lines.empty() && lines.back().starts_with('=') && gives_answer(lines.back(), answer))
      lines.pop_back();
    return lines;
  };
  if (others(got) != others(wanted)) return "its lines that are no arithmetic differ from those expected";
  const std::string_view last = split_lines(work).back(), expected_last = split_lines(expected).back();
  if (gives_answer(last, answer)) return "";
  // Some answers are the last line in other words; then that line itself is wanted.
  if (!gives_answer(expected_last, answer) && last == expected_last) return "";
  return fmt::format("its last line '{}' does not give the answer", printable(last));
}

}  // namespace sambay
