#include "convert/convert.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>
#include <optional>
#include <system_error>

#include "base/atomic_file.h"
#include "base/printable.h"
#include "base/release_pages.h"
#include "base/running_hash.h"
#include "base/thread_pool.h"
#include "convert/encode.h"
#include "convert/importance.h"
#include "convert/verify.h"
#include "formats/checkpoint.h"
#include "formats/gguf_writer.h"
#include "formats/quality_card.h"
#include "model/sambay_config.h"
#include "text/tokenizer_data.h"

namespace sambay {
namespace {

/// What people call the model: the name in a GGUF, else the folder's.
std::string model_name(const Checkpoint& checkpoint) {
  if (checkpoint.kind() == CheckpointKind::gguf) {
    const auto name = checkpoint.gguf().string("general.name");
    return name ? std::string(*name) : "";
  }
  std::error_code ignored;
  std::filesystem::path path = std::filesystem::canonical(checkpoint.name(), ignored);
  if (path.extension() == ".safetensors") path = path.parent_path();
  return printable(path.filename().string());
}

class Converter {
 public:
  Converter(const ConvertOptions& options, const Checkpoint& checkpoint)
      : options_(options),
        checkpoint_(checkpoint),
        encoder_(options.threads > 0 ? options.threads : physical_core_count()) {}

  /// Everything that can be known before a tensor is read.
  Result<void> prepare() {
    SAMBAY_TRY(expected_.config, load_sambay_config(checkpoint_), "reading the configuration");
    specs_ = sambay_tensors(expected_.config);
    SAMBAY_TRY(sources_, match_tensors(checkpoint_, specs_), checkpoint_.name());
    SAMBAY_TRY_VOID(load_tokenizer());
    SAMBAY_TRY(const std::optional<QualityCard> card, load_quality_card(checkpoint_),
               "reading the quality card");
    if (card) expected_.card = quality_card_json(*card, false);
    SAMBAY_TRY_VOID(check_type_rules(options_.rules, specs_));
    importance_.resize(specs_.size());
    if (!options_.importance_file.empty()) {
      SAMBAY_TRY(importance_, load_importance(options_.importance_file, specs_), "quantizing");
    }
    choose_types();
    return {};
  }

  Result<ModelFootprint> footprint() {
    SAMBAY_TRY_VOID(prepare());
    std::vector<DType> types;
    for (const GgufTensor& tensor : expected_.tensors) types.push_back(tensor.type);
    return model_footprint(expected_.config, specs_, types,
                           make_gguf_header(metadata(), expected_.tensors).file_bytes);
  }

  Result<ConvertReport> run() {
    SAMBAY_TRY_VOID(prepare());
    auto created = GgufWriter::create(options_.out_file, metadata(), expected_.tensors);
    if (!created) return tl::unexpected(std::move(created).error());
    GgufWriter& writer = *created;
    for (size_t i = 0; i < specs_.size(); i++) SAMBAY_TRY_VOID(write_tensor(i, writer));
    SAMBAY_TRY(report_.file_bytes, verify_gguf(writer.inspection_path(), expected_, verify_callbacks()),
               fmt::format("{}: reading back what was written", options_.out_file));
    SAMBAY_TRY_VOID(writer.commit());
    return std::move(report_);
  }

 private:
  Result<void> load_tokenizer() {
    auto data = load_tokenizer_data(checkpoint_);
    if (!data && data.error().code == ErrorCode::not_found) return {};  // works without one
    if (!data) return tl::unexpected(std::move(data).error().during("reading the tokenizer"));
    // Building it checks it, and that every id is a row of the embedding.
    SAMBAY_TRY(const auto built, build_tokenizer(*data, checkpoint_.name(), expected_.config.vocab),
               "checking the tokenizer");
    report_.tokens = built->size();
    expected_.tokenizer = *std::move(data);
    return {};
  }

  void choose_types() {
    report_.mix = options_.type.name;
    for (size_t i = 0; i < specs_.size(); i++) {
      const TensorSpec& spec = specs_[i];
      const DType wanted = wanted_type(spec, expected_.config, options_.type, options_.rules);
      const DType type = fitting_type(wanted, spec.shape.back(), sources_[i]->type);
      if (dtype_info(wanted).is_block() && !dtype_info(type).is_block())
        report_.kept_types.push_back(fmt::format("{} ({})", spec.gguf_name, dtype_info(type).name));
      expected_.tensors.push_back({spec.gguf_name, type, spec.shape});
      const int64_t bytes = dtype_bytes(type, spec.element_count());
      total_bytes_ += bytes;
      ConvertReport::Group& group = report_.groups[static_cast<size_t>(tensor_group(spec.role))];
      group.tensors++;
      group.parameters += spec.element_count();
      group.bytes[static_cast<size_t>(type)] += bytes;
      const bool weighted = !importance_[i].empty() && dtype_info(type).encode_weighted;
      report_.tensors.push_back({spec.gguf_name, spec.is_matrix, weighted, sources_[i]->type, wanted, type,
                                 spec.shape.back(), spec.element_count(), bytes});
    }
    expected_.checksums.resize(specs_.size());
  }

  std::vector<GgufEntry> metadata() const {
    std::vector<GgufEntry> entries = sambay_config_to_gguf(expected_.config);
    if (std::string name = model_name(checkpoint_); !name.empty())
      entries.push_back({"general.name", std::move(name)});
    entries.push_back({"general.file_type", options_.type.file_type});
    entries.push_back({"general.quantization_version", uint32_t{2}});
    const auto append = [&](std::vector<GgufEntry> more) {
      for (GgufEntry& entry : more) entries.push_back(std::move(entry));
    };
    if (expected_.tokenizer) append(tokenizer_to_gguf(*expected_.tokenizer, expected_.config.vocab));
    append(generation_defaults_to_gguf(load_generation_defaults(checkpoint_)));
    if (expected_.card) entries.push_back({std::string(kCardKey), *expected_.card});
    return entries;
  }

  Result<void> write_tensor(size_t i, GgufWriter& writer) {
    const TensorView& source = *sources_[i];
    const DType target = expected_.tensors[i].type;
    const bool is_ours = checkpoint_.kind() == CheckpointKind::gguf;
    const Transform transform = is_ours ? Transform::none : specs_[i].transform;
    ConvertReport::Group& group = report_.groups[static_cast<size_t>(tensor_group(specs_[i].role))];
    RunningHash checksum;
    const int64_t element_count = specs_[i].element_count();
    for (int64_t first = 0; first < element_count; first += kPieceElements) {
      if (options_.should_stop && options_.should_stop())
        return fail(ErrorCode::cancelled, "interrupted; nothing was written");
      const int64_t count = std::min(kPieceElements, element_count - first);
      auto piece = encoder_.encode(source, transform, target, first, count, importance_[i]);
      if (!piece) return tl::unexpected(std::move(piece).error().during(checkpoint_.name()));
      checksum.update(piece->bytes);
      SAMBAY_TRY_VOID(writer.write(piece->bytes));
      group.squared_error += piece->squared_error;
      group.squared_sum += piece->squared_sum;
      report_.tensors[i].squared_error += piece->squared_error;
      report_.tensors[i].squared_sum += piece->squared_sum;
      // The embedded model is part of the program, not a mapping of ours.
      if (!options_.model.empty())
        release_pages(source.bytes.subspan(static_cast<size_t>(dtype_bytes(source.type, first)),
                                           static_cast<size_t>(dtype_bytes(source.type, count))));
      done_bytes_ += static_cast<int64_t>(piece->bytes.size());
      tell(false, done_bytes_, source.name);
    }
    expected_.checksums[i] = checksum.digest();
    return {};
  }

  void tell(bool verifying, int64_t done, std::string_view tensor) const {
    if (options_.progress) options_.progress({verifying, done, total_bytes_, tensor});
  }
  VerifyCallbacks verify_callbacks() const {
    return {options_.should_stop,
            [this](int64_t done, std::string_view tensor) { tell(true, done, tensor); }};
  }

  const ConvertOptions& options_;
  const Checkpoint& checkpoint_;
  PieceEncoder encoder_;
  std::vector<TensorSpec> specs_;
  std::vector<const TensorView*> sources_;  // in the order of specs_, as is everything below
  std::vector<std::vector<float>> importance_;
  GgufExpectation expected_;
  ConvertReport report_;
  int64_t total_bytes_ = 0, done_bytes_ = 0;
};

}  // namespace

double ConvertReport::Tensor::relative_rms_error() const {
  return squared_sum > 0 ? std::sqrt(squared_error / squared_sum) : 0;
}
double ConvertReport::Group::relative_rms_error() const {
  return squared_sum > 0 ? std::sqrt(squared_error / squared_sum) : 0;
}

Result<ConvertReport> convert(const ConvertOptions& options) {
  std::vector<std::string> inputs = checkpoint_files(options.model);
  if (!options.importance_file.empty()) inputs.push_back(options.importance_file);
  SAMBAY_TRY_VOID(refuse_output_over_input("-o", options.out_file, inputs));
  SAMBAY_TRY(const Checkpoint checkpoint, Checkpoint::open(options.model), "opening the model");
  return Converter(options, checkpoint).run();
}

Result<ModelFootprint> converted_footprint(const ConvertOptions& options) {
  SAMBAY_TRY(const Checkpoint checkpoint, Checkpoint::open(options.model), "opening the model");
  return Converter(options, checkpoint).footprint();
}

}  // namespace sambay
