// ModelReport as text and as JSON.
#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/printable.h"
#include "tools/info.h"

namespace sambay {
namespace {

using nlohmann::ordered_json;

constexpr std::array kMixerNames = {"mamba", "window attention", "mamba with memory", "full attention",
                                    "gmu",   "cross attention"};
constexpr size_t kValueWidth = 60;

std::string with_commas(int64_t number) {
  std::string text = fmt::format("{}", number);
  for (size_t at = text.size(); at > 3; at -= 3) text.insert(at - 3, ",");
  return text;
}

std::string mebi(int64_t bytes) { return fmt::format("{:.2f} MiB", static_cast<double>(bytes) / 1048576.0); }

std::string line(std::string_view label, std::string_view text) {
  return fmt::format("{:<14} {}\n", label, text);
}

std::string layer_summary(const SambaYConfig& c) {
  std::array<int, kMixerNames.size()> counts{};
  for (int i = 0; i < c.layers; i++) counts[static_cast<size_t>(c.mixer(i))]++;
  std::vector<std::string> parts;
  for (size_t i = 0; i < counts.size(); i++)
    if (counts[i] > 0) parts.push_back(fmt::format("{} {}", counts[i], kMixerNames[i]));
  return fmt::format("{}: {}", c.layers, fmt::join(parts, ", "));
}

std::string format_config(const SambaYConfig& c) {
  return line("layers", layer_summary(c)) +
         line("hidden", fmt::format("{}, MLP {}, vocabulary {}", c.hidden, c.intermediate, c.vocab)) +
         line("attention", fmt::format("{} query heads, {} KV heads of {}, window {}", c.heads, c.kv_heads,
                                       c.head_dim(), c.window)) +
         line("mamba", fmt::format("inner {}, state {}, convolution {}, dt rank {}", c.inner(), c.state,
                                   c.conv, c.dt_rank)) +
         line("context", fmt::format("{} tokens", with_commas(c.max_context))) +
         line("norm epsilon", fmt::format("{}", c.norm_eps));
}

std::string format_tokenizer(const ModelReport& report) {
  if (!report.tokenizer_error.empty()) return line("tokenizer", "unusable: " + report.tokenizer_error);
  if (!report.tokenizer) return line("tokenizer", "none");
  const TokenizerInfo& t = *report.tokenizer;
  return line("tokenizer", fmt::format("{} tokens, {} merges, {} added, stop ids [{}]", t.tokens, t.merges,
                                       t.added, fmt::join(t.stop_ids, ", "))) +
         line("chat template", t.chat_template);
}

std::string group_row(std::string_view name, const ModelReport::Group& group) {
  int64_t bytes = 0;
  std::vector<std::string> types;
  for (const DTypeInfo& type : all_dtypes()) {
    const int64_t of_type = group.bytes[static_cast<size_t>(type.type)];
    bytes += of_type;
    if (of_type > 0) types.push_back(fmt::format("{} {}", type.name, mebi(of_type)));
  }
  return fmt::format("{:<14} {:>7} {:>15} {:>14}  {}\n", name, group.tensors, with_commas(group.parameters),
                     mebi(bytes), fmt::join(types, ", "));
}

std::string format_groups(const ModelReport& report) {
  std::string text =
      fmt::format("\n{:<14} {:>7} {:>15} {:>14}  {}\n", "kind", "tensors", "parameters", "size", "types");
  ModelReport::Group total;
  for (int g = 0; g < kTensorGroupCount; g++) {
    const ModelReport::Group& group = report.groups[static_cast<size_t>(g)];
    text += group_row(to_string(static_cast<TensorGroup>(g)), group);
    total.tensors += group.tensors;
    total.parameters += group.parameters;
    for (size_t t = 0; t < total.bytes.size(); t++) total.bytes[t] += group.bytes[t];
  }
  return text + group_row("total", total);
}

std::string format_tensors(const ModelReport& report) {
  size_t width = 6;
  for (const ModelReport::Tensor& tensor : report.tensors) width = std::max(width, tensor.name.size());
  std::string text = fmt::format("\n{:<{}} {:<5} {:>16} {:>13}\n", "tensor", width, "type", "shape", "bytes");
  for (const ModelReport::Tensor& tensor : report.tensors)
    text += fmt::format("{:<{}} {:<5} {:>16} {:>13}\n", tensor.name, width, dtype_info(tensor.type).name,
                        fmt::format("[{}]", fmt::join(tensor.shape, ", ")), tensor.bytes);
  return text;
}

std::string format_check(const ModelReport& report) {
  if (!report.problems) return "";
  std::string text = "\n";
  for (const std::string& problem : *report.problems) text += "problem: " + problem + "\n";
  if (report.problems->empty())
    text += fmt::format("checked: all {} values are finite{}\n", with_commas(report.parameters),
                        report.tokenizer ? ", and the tokenizer fits the vocabulary" : "");
  return text;
}

/// "100.0 %" only when it is all.
std::string percent(double share) {
  return fmt::format("{:.1f} %", share < 1 ? std::min(100 * share, 99.9) : 100.0);
}

ordered_json config_json(const SambaYConfig& c) {
  ordered_json layers = ordered_json::array();
  for (int i = 0; i < c.layers; i++) layers.push_back(kMixerNames[static_cast<size_t>(c.mixer(i))]);
  return {{"vocab_size", c.vocab},
          {"hidden_size", c.hidden},
          {"intermediate_size", c.intermediate},
          {"num_hidden_layers", c.layers},
          {"num_attention_heads", c.heads},
          {"num_key_value_heads", c.kv_heads},
          {"head_dim", c.head_dim()},
          {"sliding_window", c.window},
          {"max_position_embeddings", c.max_context},
          {"layer_norm_eps", std::strtod(fmt::format("{}", c.norm_eps).c_str(), nullptr)},  // 1e-05
          {"mamba_d_inner", c.inner()},
          {"mamba_d_state", c.state},
          {"mamba_d_conv", c.conv},
          {"mamba_expand", c.expand},
          {"mamba_dt_rank", c.dt_rank},
          {"layers", std::move(layers)}};
}

ordered_json groups_json(const ModelReport& report) {
  ordered_json groups = ordered_json::object();
  for (int g = 0; g < kTensorGroupCount; g++) {
    const ModelReport::Group& group = report.groups[static_cast<size_t>(g)];
    ordered_json types = ordered_json::object();
    int64_t bytes = 0;
    for (const DTypeInfo& type : all_dtypes()) {
      const int64_t of_type = group.bytes[static_cast<size_t>(type.type)];
      if (of_type > 0) types[type.name] = of_type;
      bytes += of_type;
    }
    groups[to_string(static_cast<TensorGroup>(g))] = {{"tensors", group.tensors},
                                                      {"parameters", group.parameters},
                                                      {"bytes", bytes},
                                                      {"bytes_by_type", std::move(types)}};
  }
  return groups;
}

ordered_json tokenizer_json(const ModelReport& report) {
  if (!report.tokenizer_error.empty()) return {{"error", report.tokenizer_error}};
  if (!report.tokenizer) return nullptr;
  const TokenizerInfo& t = *report.tokenizer;
  return {{"tokens", t.tokens},
          {"merges", t.merges},
          {"added", t.added},
          {"stop_ids", t.stop_ids},
          {"chat_template", t.chat_template}};
}

ordered_json tensors_json(const ModelReport& report) {
  ordered_json tensors = ordered_json::array();
  for (const ModelReport::Tensor& tensor : report.tensors)
    tensors.push_back({{"name", tensor.name},
                       {"type", dtype_info(tensor.type).name},
                       {"shape", tensor.shape},
                       {"bytes", tensor.bytes},
                       {"kind", to_string(tensor.group)},
                       {"layer", tensor.layer}});
  return tensors;
}

std::string format_card(const ModelReport& report) {
  if (!report.card_error.empty()) return "\nquality card   ignored: " + report.card_error + "\n";
  return report.card ? "\n" + format_quality_card(*report.card) : "";
}

}  // namespace

std::string format_quality_card(const QualityCard& card) {
  std::string text = fmt::format(
      "quality card   made by {}, problems of seed {}{}\n", printable(card.made_by), card.problems_seed,
      card.families_of.empty() ? "" : fmt::format(", families with {}", printable(card.families_of)));
  text += fmt::format("  {:<14} {:>8} {:>9} {:>9} {:>9}\n", "family", "problems", "answer", "work", "both");
  for (const QualityCard::Family& f : card.families)
    text += fmt::format("  {:<14} {:>8} {:>9} {:>9} {:>9}\n", f.name, f.problems, percent(f.answer),
                        percent(f.work), percent(f.both));
  text +=
      fmt::format("  {:<14} {:>8} {:>13} {:>17}\n", "type", "accuracy", "KL divergence", "same first choice");
  for (const QualityCard::Type& t : card.types)
    text += fmt::format("  {:<14} {:>8} {:>13} {:>17}\n", t.name, percent(t.accuracy),
                        t.kl_mean ? fmt::format("{:.2g}", *t.kl_mean) : "-",
                        t.top1_agreement ? fmt::format("{:.2f} %", 100 * *t.top1_agreement) : "-");
  return text;
}

std::string format_info(const ModelReport& report, bool all_tensors) {
  const bool is_gguf = report.kind == CheckpointKind::gguf;
  std::string text =
      line("model", fmt::format("{} ({})", report.name, is_gguf ? "GGUF" : "Hugging Face checkpoint")) +
      line("architecture", "phi4flash (SambaY)") + line("parameters", with_commas(report.parameters)) +
      line("size",
           fmt::format("{}, of which weights {}", mebi(report.file_bytes), mebi(report.weight_bytes))) +
      format_config(report.config) + format_tokenizer(report) + format_groups(report) + format_card(report);
  if (!report.metadata.empty()) {
    text += "\nmetadata\n";
    for (const auto& [key, value] : report.metadata)
      text += fmt::format("  {:<44} {}\n", printable(key), printable(value, kValueWidth));
  }
  if (all_tensors) text += format_tensors(report);
  return text + format_check(report);
}

std::string info_json(const ModelReport& report) {
  const bool is_gguf = report.kind == CheckpointKind::gguf;
  ordered_json object = {{"model", report.name},
                         {"format", is_gguf ? "gguf" : "safetensors"},
                         {"architecture", "phi4flash"},
                         {"parameters", report.parameters},
                         {"file_bytes", report.file_bytes},
                         {"weight_bytes", report.weight_bytes},
                         {"config", config_json(report.config)},
                         {"kinds", groups_json(report)},
                         {"tokenizer", tokenizer_json(report)}};
  if (is_gguf) {
    ordered_json metadata = ordered_json::object();
    for (const auto& [key, value] : report.metadata) metadata[key] = value;
    object["metadata"] = std::move(metadata);
  }
  if (report.card) object["card"] = ordered_json::parse(quality_card_json(*report.card, false));
  if (!report.card_error.empty()) object["card"] = {{"error", report.card_error}};
  object["tensors"] = tensors_json(report);
  if (report.problems) object["check"] = {{"ok", report.problems->empty()}, {"problems", *report.problems}};
  return object.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace sambay
