// `sambay eval`: problems asked through the engine, answers and work checked.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "sambay/error.h"
#include "tools/problems.h"

namespace sambay {

struct EvalOptions {
  std::string model;  ///< "" = the embedded model
  std::string isa;
  int threads = 0;           ///< 0: one per physical core
  int parallel = 16;         ///< problems answered at once; changes speed and memory, never results
  int max_tokens = 1024;     ///< of one answer; a longer one is wrong
  int64_t memory_limit = 0;  ///< bytes; 0: none
};

struct FamilyScore {
  std::string family;
  int64_t problems = 0, answer_right = 0, work_right = 0, both_right = 0;
  int64_t tokens = 0;  ///< of all answers, thinking included
  double seconds = 0;
};

/// A problem that was not answered right, or not with right work.
struct EvalFailure {
  const Problem* problem = nullptr;
  std::string thinking, answer;  ///< what the model wrote
  bool answer_right = false;
  std::string work_fault;  ///< "" when the work is right
  std::string cut;         ///< "length" when the answer did not end; else ""
};

struct EvalReport {
  std::string model;
  std::optional<uint64_t> problems_seed;
  std::string split;
  std::vector<FamilyScore> families;  ///< in the order of the problems
  std::vector<EvalFailure> failures;  ///< point into the problems that were asked
  FamilyScore total() const;
};

/// The problems of the named families (all when none is named), the first `limit` of each (0: all), family by
/// family in the order of the set. Errors: invalid_argument (a family that the set does not have).
Result<std::vector<Problem>> choose_problems(const ProblemSet& set, std::span<const std::string> families,
                                             int limit);

struct EvalCallbacks {
  std::function<void(size_t done, size_t total, const std::string& family)> progress;  ///< may be empty
  std::function<bool()> should_stop;                                                   ///< may be empty
};

/// Asks greedily (temperature 0), whatever the model's own defaults are. An answer is right when it equals
/// the expected one, or another that the problem accepts, exactly; the work as work_check.h says, where a
/// problem without expected work asks for right arithmetic alone. Errors: those of opening the model;
/// invalid_argument (a problem that does not fit the context, with its key); cancelled. `problems` must
/// outlive the report.
Result<EvalReport> evaluate_problems(const EvalOptions& options, std::span<const Problem> problems,
                                     const EvalCallbacks& callbacks);

/// A table for people.
std::string format_scores(const EvalReport& report);
/// The failures for people, each with question, what was expected and what came.
std::string format_failures(const EvalReport& report);
/// One JSON object, in one line; with `failures` also these.
std::string scores_json(const EvalReport& report, bool failures);

}  // namespace sambay
