// From any checkpoint to one GGUF file: streamed, verified, and there complete or not at all.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "model/memory_plan.h"
#include "model/tensor_table.h"
#include "model/type_mix.h"
#include "sambay/error.h"
#include "tensor/dtype.h"

namespace sambay {

struct ConvertProgress {
  bool verifying = false;  ///< reading back what was written
  int64_t done_bytes = 0, total_bytes = 0;
  std::string_view tensor;  ///< the one that is being worked on
};

struct ConvertOptions {
  std::string model;  ///< "" = the embedded model
  std::string out_file;
  TypeMix type = DType::bf16;   ///< of the matrices; everything else becomes f32
  std::vector<TypeRule> rules;  ///< before the mix; the last that matches counts
  std::string importance_file;  ///< see importance.h; "" = none
  int threads = 0;              ///< 0: one per physical core
  /// Asked after every piece of a few MiB; true gives `cancelled`. May be empty.
  std::function<bool()> should_stop;
  /// Told after every piece. May be empty.
  std::function<void(const ConvertProgress&)> progress;
};

struct ConvertReport {
  struct Group {
    int tensors = 0;
    int64_t parameters = 0;
    std::array<int64_t, kDTypeCount> bytes = {};  ///< by type written
    double squared_error = 0, squared_sum = 0;    ///< of values whose type changed to a narrower one
    double relative_rms_error() const;            ///< 0 when nothing was rounded
  };
  struct Tensor {
    std::string name;  ///< in the file written
    bool is_matrix = false;
    bool weighted = false;  ///< by an importance of its columns
    DType source = DType::f32, wanted = DType::f32, type = DType::f32;
    int64_t columns = 0, parameters = 0, bytes = 0;
    double squared_error = 0, squared_sum = 0;  ///< as in Group
    double relative_rms_error() const;
  };
  std::string mix;                              ///< as in --type
  std::vector<Tensor> tensors;                  ///< in the file's order
  std::array<Group, kTensorGroupCount> groups;  ///< by TensorGroup
  /// Matrices whose rows are no whole number of blocks keep their type: "name (type)".
  std::vector<std::string> kept_types;
  int64_t file_bytes = 0;
  int tokens = 0;  ///< in the tokenizer that went along; 0: the model has none
};

/// Peak memory is a few MiB beside the pages that the system keeps of the files. The file is read back and
/// compared (configuration, tokenizer, quality card, names, shapes, types, XXH3 of every tensor) before it
/// gets its name. Errors: invalid_argument (`out_file` is a file that is read); those of opening, of the
/// configuration and of match_tensors; corrupt (NaN or infinity, a tokenizer that does not fit the
/// vocabulary, a malformed card); unsupported (a value beyond the range of the type, with tensor and
/// element); io; cancelled.
Result<ConvertReport> convert(const ConvertOptions& options);

/// That of the model that convert() would write, without writing it: the configuration, the tokenizer and the
/// card are read, the weights are not. `out_file` is not looked at. Errors: those of convert() up to there.
Result<ModelFootprint> converted_footprint(const ConvertOptions& options);

/// Tables for people, with a line feed at the end of each line: by kind of tensor, and of every matrix.
std::string format_report(const ConvertReport& report);
std::string format_matrices(const ConvertReport& report);
/// Everything, as one JSON object in one line.
std::string report_json(const ConvertReport& report);

}  // namespace sambay
