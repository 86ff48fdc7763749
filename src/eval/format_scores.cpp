#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "eval/scores.h"

namespace sambay {
namespace {

using nlohmann::ordered_json;

double share(int64_t part, int64_t whole) {
  return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole) : 0;
}

/// Never "100.0 %" unless all are right.
std::string percent(int64_t part, int64_t whole) {
  const double value = 100 * share(part, whole);
  return fmt::format("{:.1f} %", part < whole ? std::min(value, 99.9) : value);
}

std::string row(const FamilyScore& s, size_t width) {
  return fmt::format("{:<{}} {:>8} {:>8} {:>8} {:>8} {:>14.1f} {:>8.1f}\n", s.family, width, s.problems,
                     percent(s.answer_right, s.problems), percent(s.work_right, s.problems),
                     percent(s.both_right, s.problems), share(s.tokens, s.problems), s.seconds);
}

ordered_json score_json(const FamilyScore& s) {
  return {{"problems", s.problems},
          {"answer", share(s.answer_right, s.problems)},
          {"work", share(s.work_right, s.problems)},
          {"both", share(s.both_right, s.problems)},
          {"tokens_per_answer", share(s.tokens, s.problems)},
          {"seconds", s.seconds}};
}

std::string question_of(const Problem& problem) {
  std::string text;
  for (const ChatMessage& message : problem.messages) {
    text += fmt::format("  {}: {}\n", message.role, message.content);
    if (!message.tools.empty()) text += fmt::format("  tools: {}\n", message.tools);
  }
  return text;
}

std::string expected_work(const Problem& problem) {
  return problem.thinking ? fmt::format("  expected work:\n{}\n", *problem.thinking) : "";
}

}  // namespace

std::string format_scores(const EvalReport& report) {
  size_t width = 8;
  for (const FamilyScore& family : report.families) width = std::max(width, family.family.size());
  std::string text = fmt::format("{:<{}} {:>8} {:>8} {:>8} {:>8} {:>14} {:>8}\n", "family", width, "problems",
                                 "answer", "work", "both", "tokens/answer", "seconds");
  for (const FamilyScore& family : report.families) text += row(family, width);
  return report.families.size() > 1 ? text + row(report.total(), width) : text;
}

std::string format_failures(const EvalReport& report) {
  std::string text;
  for (const EvalFailure& f : report.failures) {
    const char* what = f.answer_right ? "right answer, wrong work" : "wrong answer";
    text += fmt::format("\n{} ({})\n{}", f.problem->key, what, question_of(*f.problem));
    text += fmt::format("  expected: {}\n", f.problem->answer);
    for (const std::string& other : f.problem->also_right) text += fmt::format("  or: {}\n", other);
    text += fmt::format("  came: {}\n", f.answer);
    if (!f.cut.empty()) text += fmt::format("  the answer did not end ({})\n", f.cut);
    if (!f.work_fault.empty())
      text += fmt::format("  work: {}\n{}  work that came:\n{}\n", f.work_fault, expected_work(*f.problem),
                          f.thinking);
  }
  return text;
}

std::string scores_json(const EvalReport& report, bool failures) {
  ordered_json root = {{"model", report.model}};
  root["problems_seed"] = report.problems_seed ? ordered_json(*report.problems_seed) : ordered_json();
  root["split"] = report.split;
  ordered_json& families = root["families"] = ordered_json::object();
  for (const FamilyScore& family : report.families) families[family.family] = score_json(family);
  root["total"] = score_json(report.total());
  if (failures) {
    ordered_json& list = root["failures"] = ordered_json::array();
    for (const EvalFailure& f : report.failures)
      list.push_back(
          {{"key", f.problem->key},
           {"family", f.problem->family},
           {"question", f.problem->messages.back().content},
           {"expected_thinking", f.problem->thinking ? ordered_json(*f.problem->thinking) : ordered_json()},
           {"expected_answer", f.problem->answer},
           {"also_right", f.problem->also_right},
           {"thinking", f.thinking},
           {"answer", f.answer},
           {"answer_right", f.answer_right},
           {"work_fault", f.work_fault},
           {"cut", f.cut}});
  }
  return root.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace sambay
