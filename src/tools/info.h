// `sambay info`: what a model file is and what is in it.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "formats/checkpoint.h"
#include "formats/quality_card.h"
#include "model/sambay_config.h"
#include "model/tensor_table.h"
#include "sambay/error.h"

namespace sambay {

struct TokenizerInfo {
  int tokens = 0, merges = 0, added = 0;
  std::vector<int> stop_ids;
  std::string chat_template;  ///< the family; "none"; or why it cannot be used
};

struct ModelReport {
  struct Tensor {
    std::string name;  ///< as in the file
    DType type;
    std::vector<int64_t> shape;  ///< as in the file, outermost first
    int64_t bytes = 0;
    TensorGroup group;
    int layer = -1;
  };
  struct Group {
    int tensors = 0;
    int64_t parameters = 0;
    std::array<int64_t, kDTypeCount> bytes = {};  ///< by type
  };

  std::string name;
  CheckpointKind kind = CheckpointKind::gguf;
  SambaYConfig config;
  int64_t file_bytes = 0, weight_bytes = 0, parameters = 0;
  std::vector<Tensor> tensors;                  ///< in the order of the tensor table
  std::array<Group, kTensorGroupCount> groups;  ///< by TensorGroup
  std::optional<TokenizerInfo> tokenizer;
  std::string tokenizer_error;  ///< why it cannot be used; "" also when there is none
  std::optional<QualityCard> card;
  std::string card_error;  ///< why it cannot be shown; "" also when there is none
  std::vector<std::pair<std::string, std::string>> metadata;  ///< of a GGUF: key and value as short text
  std::optional<std::vector<std::string>> problems;           ///< what the check found; unset: not checked
};

struct InfoOptions {
  std::string model;   ///< "" = the embedded model
  bool check = false;  ///< read every weight
  /// Asked between pieces of the check; true gives `cancelled`. May be empty.
  std::function<bool()> should_stop;
};

/// Errors: those of opening, of the configuration and of match_tensors; cancelled. What the check finds is no
/// error here: it is in `problems`, one line per tensor with values that are not finite, and one for a
/// tokenizer that cannot be used or does not fit the vocabulary.
Result<ModelReport> describe_model(const InfoOptions& options);

/// Tables for people: families, and element types.
std::string format_quality_card(const QualityCard& card);
/// For people; `all_tensors` adds the whole table.
std::string format_info(const ModelReport& report, bool all_tensors);
/// Everything, as one JSON object.
std::string info_json(const ModelReport& report);

}  // namespace sambay
