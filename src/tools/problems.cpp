#include "tools/problems.h"

#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/mapped_file.h"
#include "base/printable.h"

namespace sambay {
namespace {

using nlohmann::json;

constexpr size_t kMaxNameBytes = 100;

/// One line; the first member that is wrong ends it.
class LineReader {
 public:
  LineReader(std::string_view name, size_t line) : name_(name), line_(line) {}

  Result<json> parse(std::string_view text) const {
    if (text.size() > kMaxProblemLineBytes)
      return fault("", fmt::format("{} bytes; at most {}", text.size(), kMaxProblemLineBytes));
    json value = json::parse(text, nullptr, false);
    if (value.is_discarded()) return fault("", "not JSON");
    if (!value.is_object()) return fault("", fmt::format("a JSON {}; must be an object", value.type_name()));
    return value;
  }

  static bool is_header(const json& object) {
    return !object.contains("messages") && (object.contains("seed") || object.contains("split"));
  }
  Result<void> read_header(const json& object, ProblemSet& set) const {
    if (const auto seed = object.find("seed"); seed != object.end()) {
      if (!seed->is_number_unsigned()) return fault("seed", "must be a whole number from 0 on");
      set.seed = seed->get<uint64_t>();
    }
    if (object.contains("split")) {
      SAMBAY_TRY(set.split, text(object, "", "split"), "header");
    }
    return {};
  }

  Result<Problem> read_problem(const json& object) const {
    Problem problem;
    for (const auto& [member, to] : {std::pair{"family", &problem.family}, {"key", &problem.key}}) {
      auto value = text(object, "", member);
      if (!value) return tl::unexpected(std::move(value).error());
      *to = *std::move(value);
    }
    if (problem.family.empty() || problem.family.size() > kMaxNameBytes ||
        printable(problem.family, kMaxNameBytes) != problem.family)
      return fault("family", fmt::format("must be 1 to {} ASCII characters", kMaxNameBytes));
    if (object.contains("thinking")) {
      auto thinking = text(object, "", "thinking");
      if (!thinking) return tl::unexpected(std::move(thinking).error());
      problem.thinking = *std::move(thinking);
    }
    if (auto good = read_answers(object, problem); !good) return tl::unexpected(std::move(good).error());
    const auto messages = object.find("messages");
    if (messages == object.end() || !messages->is_array() || messages->empty() ||
        messages->size() > kMaxProblemMessages)
      return fault("messages", fmt::format("must be an array of 1 to {} messages", kMaxProblemMessages));
    for (size_t i = 0; i < messages->size(); i++) {
      auto message = read_message((*messages)[i], fmt::format("messages[{}]", i));
      if (!message) return tl::unexpected(std::move(message).error());
      problem.messages.push_back(*std::move(message));
    }
    const std::string& last = problem.messages.back().role;
    if (last != "user" && last != "tool")
      return fault(fmt::format("messages[{}].role", messages->size() - 1),
                   fmt::format("'{}' has the last word; it must be user or tool", last));
    return problem;
  }

 private:
  /// The first of several is the expected one.
  Result<void> read_answers(const json& object, Problem& problem) const {
    const auto found = object.find("answer");
    if (found == object.end() || !found->is_array()) {
      auto answer = text(object, "", "answer");
      if (!answer) return tl::unexpected(std::move(answer).error());
      problem.answer = *std::move(answer);
      return problem.answer.empty() ? fault("answer", "is empty") : Result<void>();
    }
    if (found->empty() || found->size() > kMaxProblemAnswers)
      return fault("answer",
                   fmt::format("must be a string or an array of 1 to {} strings", kMaxProblemAnswers));
    for (size_t i = 0; i < found->size(); i++) {
      const json& answer = (*found)[i];
      const std::string at = fmt::format("answer[{}]", i);
      if (!answer.is_string())
        return fault(at, fmt::format("is a JSON {}; must be a string", answer.type_name()));
      if (answer.get_ref<const std::string&>().empty()) return fault(at, "is empty");
      if (i == 0)
        problem.answer = answer.get<std::string>();
      else
        problem.also_right.push_back(answer.get<std::string>());
    }
    return {};
  }

  Result<ChatMessage> read_message(const json& object, const std::string& at) const {
    if (!object.is_object()) return fault(at, "must be an object");
    ChatMessage message;
    auto role = text(object, at + ".", "role"), content = text(object, at + ".", "content");
    if (!role) return tl::unexpected(std::move(role).error());
    if (!content) return tl::unexpected(std::move(content).error());
    message.role = *std::move(role);
    constexpr std::string_view kRoles[] = {"system", "user", "assistant", "tool"};
    if (std::find(std::begin(kRoles), std::end(kRoles), message.role) == std::end(kRoles))
      return fault(at + ".role",
                   fmt::format("'{}' is none of system, user, assistant and tool", printable(message.role)));
    if (object.contains("thinking")) {
      if (message.role != "assistant") return fault(at + ".thinking", "only an assistant's message has it");
      auto thinking = text(object, at + ".", "thinking");
      if (!thinking) return tl::unexpected(std::move(thinking).error());
      message.content = "<think>" + *thinking + "</think>";
    }
    message.content += *content;
    if (!object.contains("tools")) return message;
    if (message.role != "system") return fault(at + ".tools", "only a system message has them");
    auto tools = text(object, at + ".", "tools");
    if (!tools) return tl::unexpected(std::move(tools).error());
    if (const auto good = check_tools(*tools); !good) return fault(at + ".tools", good.error().message);
    message.tools = *std::move(tools);
    return message;
  }

  Result<std::string> text(const json& object, const std::string& at, const std::string& member) const {
    const auto found = object.find(member);
    if (found == object.end()) return fault(at + member, "is missing");
    if (!found->is_string())
      return fault(at + member, fmt::format("is a JSON {}; must be a string", found->type_name()));
    return found->get<std::string>();
  }
  tl::unexpected<Error> fault(const std::string& member, std::string_view why) const {
    return fail(ErrorCode::corrupt,
                fmt::format("{}, line {}: {}{}{}", name_, line_, member, member.empty() ? "" : ": ", why));
  }

  std::string_view name_;
  size_t line_;
};

}  // namespace

bool Problem::accepts(std::string_view written) const {
  return written == answer || std::find(also_right.begin(), also_right.end(), written) != also_right.end();
}

Result<ProblemSet> parse_problems(std::string_view text, std::string_view name) {
  ProblemSet set;
  bool first = true;
  for (size_t line = 1; !text.empty(); line++) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view content = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (content.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const LineReader reader(name, line);
    auto object = reader.parse(content);
    if (!object) return tl::unexpected(std::move(object).error());
    if (first && LineReader::is_header(*object)) {
      SAMBAY_TRY_VOID(reader.read_header(*object, set));
    } else {
      auto problem = reader.read_problem(*object);
      if (!problem) return tl::unexpected(std::move(problem).error());
      if (set.problems.size() == kMaxProblems)
        return fail(ErrorCode::corrupt, fmt::format("{}: more than {} problems", name, kMaxProblems));
      set.problems.push_back(*std::move(problem));
    }
    first = false;
  }
  if (set.problems.empty())
    return fail(ErrorCode::corrupt, fmt::format("{}: there are no problems in it", name));
  return set;
}

Result<ProblemSet> read_problems(const std::string& path) {
  auto file = MappedFile::open(path);
  if (!file) return tl::unexpected(std::move(file).error());
  const auto bytes = file->bytes();
  if (bytes.size() > kMaxProblemsBytes)
    return fail(ErrorCode::unsupported,
                fmt::format("{}: has {} bytes; at most {} are read", path, bytes.size(), kMaxProblemsBytes));
  return parse_problems({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path);
}

}  // namespace sambay
