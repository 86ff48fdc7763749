// Which tensor gets which element type.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/checkpoint.h"
#include "model/sambay_config.h"
#include "model/tensor_table.h"
#include "sambay/error.h"
#include "tensor/dtype.h"

namespace sambay {

/// What --type names: types for the matrices by what they do in the model. Everything else is f32.
/// docs/file-format.md says which matrix is what, and why.
struct TypeMix {
  /// Every matrix in one type.
  TypeMix(DType every);
  constexpr TypeMix(const char* mix_name, uint32_t gguf_file_type, DType most, DType for_head,
                    DType for_sensitive, DType for_control)
      : name(mix_name),
        file_type(gguf_file_type),
        type(most),
        head(for_head),
        sensitive(for_sensitive),
        control(for_control) {}

  const char* name;    ///< as on the command line
  uint32_t file_type;  ///< ggml's number for it (general.file_type)
  DType type;          ///< of most matrices
  DType head;          ///< of the embedding, which is also the output head
  DType sensitive;     ///< of matrices whose errors reach furthest
  DType control;       ///< of those that steer the scans: small, and their errors add up over all positions
};

std::span<const TypeMix> all_type_mixes();
std::optional<TypeMix> type_mix_from_name(std::string_view name);
/// What `--type` may be, in the table's order.
std::vector<std::string> mix_names();
/// The mix that a checkpoint says it was made with, else the type of most of its weights.
std::string stored_mix_name(const Checkpoint& checkpoint);

/// A user's word on some matrices. `*` stands for any letters, `?` for any one.
struct TypeRule {
  std::string pattern;  ///< of names in the GGUF
  DType type;
};
/// "PATTERN=TYPE". Errors: invalid_argument.
Result<TypeRule> parse_type_rule(std::string_view text);
bool matches_pattern(std::string_view pattern, std::string_view name);
/// Errors: invalid_argument for a rule that no matrix matches.
Result<void> check_type_rules(const std::vector<TypeRule>& rules, const std::vector<TensorSpec>& specs);

/// What the mix says, or the last rule that matches.
DType wanted_type(const TensorSpec& spec, const SambaYConfig& config, const TypeMix& mix,
                  const std::vector<TypeRule>& rules);
/// The wanted type if rows of `columns` are whole blocks of it; else the nearest that fits; the source's own
/// type when no block type does.
DType fitting_type(DType wanted, int64_t columns, DType source);

}  // namespace sambay
