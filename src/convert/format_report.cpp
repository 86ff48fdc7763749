#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include <nlohmann/json.hpp>

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

/// Which types stand in for which, and in how many matrices.
std::string substitutions(const ConvertReport& report) {
  std::map<std::pair<DType, DType>, int> counts;
  for (const ConvertReport::Tensor& t : report.tensors)
    if (t.type != t.wanted && dtype_info(t.type).is_block()) counts[{t.wanted, t.type}]++;
  std::string text;
  for (const auto& [types, count] : counts)
    text += fmt::format("{} in place of {} in {}, whose rows are no multiple of {} values\n",
                        dtype_info(types.second).name, dtype_info(types.first).name,
                        count == 1 ? "1 matrix" : fmt::format("{} matrices", count),
                        dtype_info(types.first).block_elems);
  return text;
}

std::string requantized(const ConvertReport& report) {
  int count = 0;
  for (const ConvertReport::Tensor& t : report.tensors)
    count += t.source != t.type && dtype_info(t.source).is_block() && dtype_info(t.type).is_block();
  if (count == 0) return "";
  return fmt::format(
      "quantized before: {} of the matrices; errors are from what they held, not from the original\n", count);
}

}  // namespace

std::string format_matrices(const ConvertReport& report) {
  size_t width = 6;
  for (const ConvertReport::Tensor& t : report.tensors) width = std::max(width, t.name.size());
  std::string text =
      fmt::format("{:<{}} {:>7} {:>10}   relative RMS error\n", "matrix", width, "type", "MiB");
  for (const ConvertReport::Tensor& t : report.tensors) {
    if (!t.is_matrix) continue;
    text += fmt::format("{:<{}} {:>7} {:>10.3f}", t.name, width, dtype_info(t.type).name,
                        static_cast<double>(t.bytes) / kMebi);
    text += t.squared_sum > 0 ? fmt::format("   {:.4g}", t.relative_rms_error()) : "   -";
    text += t.weighted ? " (weighted)\n" : "\n";
  }
  return text + "\n";
}

std::string report_json(const ConvertReport& report) {
  nlohmann::ordered_json tensors = nlohmann::ordered_json::array();
  for (const ConvertReport::Tensor& t : report.tensors)
    tensors.push_back({{"name", t.name},
                       {"source", dtype_info(t.source).name},
                       {"wanted", dtype_info(t.wanted).name},
                       {"type", dtype_info(t.type).name},
                       {"columns", t.columns},
                       {"parameters", t.parameters},
                       {"bytes", t.bytes},
                       {"weighted", t.weighted},
                       {"relative_rms_error", t.relative_rms_error()}});
  return nlohmann::ordered_json{{"type", report.mix},
                                {"file_bytes", report.file_bytes},
                                {"tokens", report.tokens},
                                {"tensors", std::move(tensors)}}
             .dump() +
         "\n";
}

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
  text += substitutions(report) + requantized(report);
  text += report.tokens > 0 ? fmt::format("tokenizer: {} tokens\n", report.tokens) : "tokenizer: none\n";
  return text;
}

}  // namespace sambay
