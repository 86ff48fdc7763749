#include "model/type_mix.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "base/printable.h"

namespace sambay {
namespace {

using enum DType;

constexpr std::array kMixes = {
    //       name, number, most, head, sensitive, control
    TypeMix("f32", 0, f32, f32, f32, f32),         TypeMix("f16", 1, f16, f16, f16, f16),
    TypeMix("bf16", 32, bf16, bf16, bf16, bf16),   TypeMix("q8_0", 7, q8_0, q8_0, q8_0, q8_0),
    TypeMix("q6_k", 18, q6_k, q8_0, q6_k, q8_0),   TypeMix("q5_k_m", 17, q5_k, q6_k, q6_k, q8_0),
    TypeMix("q5_k_s", 16, q5_k, q6_k, q5_k, q8_0), TypeMix("q5_1", 9, q5_1, q6_k, q5_1, q8_0),
    TypeMix("q5_0", 8, q5_0, q6_k, q5_0, q8_0),    TypeMix("q4_k_m", 15, q4_k, q6_k, q6_k, q8_0),
    TypeMix("q4_k_s", 14, q4_k, q6_k, q4_k, q8_0), TypeMix("q4_1", 3, q4_1, q6_k, q4_1, q8_0),
    TypeMix("q4_0", 2, q4_0, q6_k, q4_0, q8_0),    TypeMix("iq4_nl", 25, iq4_nl, q6_k, iq4_nl, q8_0),
    TypeMix("q3_k_m", 12, q3_k, q6_k, q5_k, q8_0), TypeMix("q2_k", 10, q2_k, q6_k, q4_k, q8_0),
};

/// Matrices whose errors reach furthest; see docs/file-format.md, "Mixes".
bool is_sensitive(const TensorSpec& spec, const SambaYConfig& config) {
  const int edge = std::max(1, config.layers / 8);
  switch (spec.role) {
    case Role::qkv:
      return true;  // values are added up unchecked, and those of one layer serve half the model
    case Role::mamba_in: return config.mixer(spec.layer) == Mixer::memory_mamba;  // read by every GMU
    case Role::down: return spec.layer < edge || spec.layer >= config.layers - edge;
    default: return false;
  }
}

/// The nearest type with shorter blocks; the type itself when there is none.
DType with_shorter_blocks(DType type) {
  switch (type) {
    case q2_k:
    case q3_k:
    case q4_k: return q4_0;
    case q5_k: return q5_0;
    case q6_k: return q8_0;
    default: return type;
  }
}

std::string type_names() {
  std::string names;
  for (const DTypeInfo& info : all_dtypes())
    if (info.is_weight) names += (names.empty() ? "" : ", ") + std::string(info.name);
  return names;
}

}  // namespace

TypeMix::TypeMix(DType every) : TypeMix(dtype_info(every).name, 0, every, every, every, every) {
  for (const TypeMix& mix : kMixes)
    if (mix.type == every && (file_type == 0 || std::string_view(mix.name) == name))
      file_type = mix.file_type;
}

std::span<const TypeMix> all_type_mixes() { return kMixes; }

std::optional<TypeMix> type_mix_from_name(std::string_view name) {
  for (const TypeMix& mix : kMixes)
    if (name == mix.name) return mix;
  return std::nullopt;
}

std::vector<std::string> mix_names() {
  std::vector<std::string> names;
  for (const TypeMix& mix : kMixes) names.emplace_back(mix.name);
  return names;
}

std::string stored_mix_name(const Checkpoint& checkpoint) {
  std::array<int64_t, kDTypeCount> elements = {};
  for (const TensorView& tensor : checkpoint.tensors())
    elements[static_cast<size_t>(tensor.type)] += tensor.element_count();
  if (checkpoint.kind() == CheckpointKind::gguf)
    if (const auto number = checkpoint.gguf().integer("general.file_type"))
      for (const TypeMix& mix : kMixes)  // a file may claim anything
        if (mix.file_type == *number && elements[static_cast<size_t>(mix.type)] > 0) return mix.name;
  const auto most = std::max_element(elements.begin(), elements.end()) - elements.begin();
  return dtype_info(static_cast<DType>(most)).name;
}

Result<TypeRule> parse_type_rule(std::string_view text) {
  const size_t at = text.rfind('=');
  const auto bad = [&](std::string_view why) {
    return fail(ErrorCode::invalid_argument, fmt::format("rule '{}': {}", printable(text), why));
  };
  if (at == std::string_view::npos || at == 0)
    return bad("expected PATTERN=TYPE, as in \"blk.*.ffn_down.weight=q6_k\"");
  const std::optional<DType> type = dtype_from_name(text.substr(at + 1));
  if (!type || !dtype_info(*type).is_weight)
    return bad(fmt::format("'{}' is no type of matrices; there are {}", printable(text.substr(at + 1)),
                           type_names()));
  return TypeRule{std::string(text.substr(0, at)), *type};
}

bool matches_pattern(std::string_view pattern, std::string_view name) {
  // Greedy, with one place to come back to: the last star. No pattern takes more than |pattern| * |name|
  // steps.
  size_t p = 0, n = 0, star = std::string_view::npos, star_name = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      star_name = n;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == name[n])) {
      p++, n++;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      n = ++star_name;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') p++;
  return p == pattern.size();
}

Result<void> check_type_rules(const std::vector<TypeRule>& rules, const std::vector<TensorSpec>& specs) {
  for (const TypeRule& rule : rules) {
    const auto is_meant = [&](const TensorSpec& spec) {
      return spec.is_matrix && matches_pattern(rule.pattern, spec.gguf_name);
    };
    if (std::ranges::none_of(specs, is_meant))
      return fail(
          ErrorCode::invalid_argument,
          fmt::format("rule '{}={}' matches no matrix of this model; names are like token_embd.weight and "
                      "blk.0.ffn_down.weight",
                      printable(rule.pattern), dtype_info(rule.type).name));
  }
  return {};
}

DType wanted_type(const TensorSpec& spec, const SambaYConfig& config, const TypeMix& mix,
                  const std::vector<TypeRule>& rules) {
  if (!spec.is_matrix) return f32;
  for (size_t i = rules.size(); i-- > 0;)
    if (matches_pattern(rules[i].pattern, spec.gguf_name)) return rules[i].type;
  if (spec.role == Role::embedding) return mix.head;
  if (spec.role == Role::x_proj || spec.role == Role::dt_proj) return mix.control;
  return is_sensitive(spec, config) ? mix.sensitive : mix.type;
}

DType fitting_type(DType wanted, int64_t columns, DType source) {
  if (columns % dtype_info(wanted).block_elems == 0) return wanted;
  const DType shorter = with_shorter_blocks(wanted);
  return columns % dtype_info(shorter).block_elems == 0 ? shorter : source;
}

}  // namespace sambay
