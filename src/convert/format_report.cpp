#include <fmt/core.h>
#include <fmt/ranges.h>

#include "convert/convert.h"

namespace sambay {
namespace {

constexpr double kMebi = 1048576.0;

std::string row(std::string_view name, const ConvertReport::Group& group,
                const std::array<bool, kDTypeCount>& used) {
  std::string line = fmt::format("{:<10} {:>7} {:>13}", name, group.tensors, group.parameters);
  for (size_t t = 0; t < kDTypeCount; t++)
    if (used[t]) line += fmt::format(" {:>10.2f}", static_cast<double>(group.bytes[t]) / kMebi);
  if (group.squared_sum > 0) line += fmt::format("   {:.3g}", group.relative_rms_error());
  return line + "\n";
}

}  // namespace

std::string format_report(const ConvertReport& report) {
  ConvertReport::Group total;
  for (const ConvertReport::Group& group : report.groups) {
    total.tensors += group.tensors;
    total.parameters += group.parameters;
    for (size_t t = 0; t < kDTypeCount; t++) total.bytes[t] += group.bytes[t];
    total.squared_error += group.squared_error;
    total.squared_sum += group.squared_sum;
  }
  std::array<bool, kDTypeCount> used{};
  std::string text = fmt::format("{:<10} {:>7} {:>13}", "group", "tensors", "parameters");
  for (const DTypeInfo& type : all_dtypes()) {
    used[static_cast<size_t>(type.type)] = total.bytes[static_cast<size_t>(type.type)] > 0;
    if (used[static_cast<size_t>(type.type)]) text += fmt::format(" {:>6} MiB", type.name);
  }
  text += total.squared_sum > 0 ? "   relative RMS error\n" : "\n";
  for (int g = 0; g < kTensorGroupCount; g++)
    text += row(to_string(static_cast<TensorGroup>(g)), report.groups[static_cast<size_t>(g)], used);
  text += row("total", total, used);
  if (!report.kept_types.empty())
    text += fmt::format("not quantized, since their rows are no multiple of 32 values: {}\n",
                        fmt::join(report.kept_types, ", "));
  text += report.tokens > 0 ? fmt::format("tokenizer: {} tokens\n", report.tokens) : "tokenizer: none\n";
  return text;
}

}  // namespace sambay
