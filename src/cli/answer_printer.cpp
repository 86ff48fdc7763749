#include "cli/answer_printer.h"

#include "cli/output.h"

namespace sambay {
namespace {
constexpr const char* kDim = "\033[2m";
constexpr const char* kPlain = "\033[0m";
}  // namespace

Result<void> AnswerPrinter::print(std::string_view text) {
  std::string out;
  if (style_.raw) {
    answer_.text += text;
    out = text;
  } else {
    for (const auto& part : splitter_.push(text)) piece(part, out);
  }
  return write(out);
}

void AnswerPrinter::piece(const ReasoningSplitter::Piece& part, std::string& out) {
  if (part.text.empty()) return;
  if (part.reasoning) {
    answer_.reasoning += part.text;
    if (!style_.show_thinking) return;
    if (!thinking_open_) out += style_.color ? kDim : "<think>";
    thinking_open_ = wrote_thinking_ = true;
    out += part.text;
    return;
  }
  close_thinking(out);
  // Blank lines between thinking and answer belong to neither.
  std::string_view text = part.text;
  if (answer_.text.empty() && !answer_.reasoning.empty()) {
    const size_t first = text.find_first_not_of("\r\n");
    text.remove_prefix(first == std::string_view::npos ? text.size() : first);
  }
  answer_.text += text;
  out += text;
}

void AnswerPrinter::close_thinking(std::string& out) {
  if (!thinking_open_) return;
  thinking_open_ = false;
  if (style_.color)
    out += std::string(kPlain) + "\n\n";
  else
    out += "</think>\n";
}

Result<void> AnswerPrinter::finish() {
  std::string out;
  if (!style_.raw)
    for (const auto& part : splitter_.finish()) piece(part, out);
  close_thinking(out);
  if (style_.final_newline) out += "\n";
  return write(out);
}

Result<void> AnswerPrinter::write(const std::string& out) const {
  if (style_.silent || out.empty()) return {};
  return write_stdout(out);
}

}  // namespace sambay
