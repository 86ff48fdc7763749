#include "tools/info.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "base/release_pages.h"
#include "sambay/text.h"
#include "text/tokenizer_data.h"

namespace sambay {
namespace {

constexpr int64_t kPieceElements = int64_t{1} << 18;  // a multiple of every block length

bool all_finite(const std::vector<float>& values, int64_t count) {
  float sum = 0;  // of zeros, unless something is not finite
  for (int64_t i = 0; i < count; i++) sum += values[static_cast<size_t>(i)] * 0.0f;
  return sum == 0;
}

/// Looks for values that are not finite, after the tensor's transform.
class FiniteCheck {
 public:
  FiniteCheck(const InfoOptions& options, CheckpointKind kind)
      : options_(options), kind_(kind), values_(static_cast<size_t>(kPieceElements)) {}

  /// One line, "" when there is nothing wrong.
  Result<std::string> problem_of(const TensorSpec& spec, const TensorView& view) {
    const Transform transform = kind_ == CheckpointKind::hugging_face ? spec.transform : Transform::none;
    const int64_t total = spec.element_count();
    int64_t wrong = 0, first_wrong = -1;
    float value = 0;
    for (int64_t first = 0; first < total; first += kPieceElements) {
      if (options_.should_stop && options_.should_stop())
        return fail(ErrorCode::cancelled, "interrupted while checking the weights");
      const int64_t count = std::min(kPieceElements, total - first);
      read_as_f32(view, transform, first, count, values_.data());
      release(view, first, count);
      if (all_finite(values_, count)) continue;
      for (int64_t i = 0; i < count; i++) {
        if (std::isfinite(values_[static_cast<size_t>(i)])) continue;
        if (wrong++ > 0) continue;
        first_wrong = first + i;
        value = values_[static_cast<size_t>(i)];
      }
    }
    if (wrong == 0) return std::string();
    return fmt::format("tensor {}: {} of {} values are not finite, the first is element {} ({}{})", view.name,
                       wrong, total, first_wrong, value,
                       transform == Transform::neg_exp ? " after -exp" : "");
  }

 private:
  void release(const TensorView& view, int64_t first, int64_t count) const {
    if (options_.model.empty()) return;  // part of the program, not a mapping of ours
    release_pages(view.bytes.subspan(static_cast<size_t>(dtype_bytes(view.type, first)),
                                     static_cast<size_t>(dtype_bytes(view.type, count))));
  }
  const InfoOptions& options_;
  CheckpointKind kind_;
  std::vector<float> values_;
};

std::string chat_template_family(const TokenizerData& data) {
  if (!data.chat_template) return "none";
  const auto chat_template = ChatTemplate::recognize(*data.chat_template);
  return chat_template ? chat_template->family() : chat_template.error().message;
}

void describe_tokenizer(const Checkpoint& checkpoint, ModelReport& report) {
  auto data = load_tokenizer_data(checkpoint);
  if (!data) {
    if (data.error().code != ErrorCode::not_found) report.tokenizer_error = data.error().message;
    return;
  }
  TokenizerInfo info;
  info.merges = static_cast<int>(data->merges.size());
  info.added = static_cast<int>(data->added.size());
  info.stop_ids.assign(data->stop_ids.begin(), data->stop_ids.end());
  info.chat_template = chat_template_family(*data);
  const auto built = build_tokenizer(*std::move(data), checkpoint.name(), report.config.vocab);
  if (!built) {
    report.tokenizer_error = built.error().message;
    return;
  }
  info.tokens = (*built)->size();
  report.tokenizer = std::move(info);
}

void describe_tensors(const std::vector<TensorSpec>& specs, const std::vector<const TensorView*>& views,
                      ModelReport& report) {
  for (size_t i = 0; i < specs.size(); i++) {
    const TensorSpec& spec = specs[i];
    const TensorView& view = *views[i];
    const auto bytes = static_cast<int64_t>(view.bytes.size());
    report.tensors.push_back({view.name, view.type, view.shape, bytes, tensor_group(spec.role), spec.layer});
    ModelReport::Group& group = report.groups[static_cast<size_t>(tensor_group(spec.role))];
    group.tensors++;
    group.parameters += spec.element_count();
    group.bytes[static_cast<size_t>(view.type)] += bytes;
    report.parameters += spec.element_count();
    report.weight_bytes += bytes;
  }
}

Result<void> check_weights(const InfoOptions& options, const std::vector<TensorSpec>& specs,
                           const std::vector<const TensorView*>& views, ModelReport& report) {
  report.problems.emplace();
  FiniteCheck check(options, report.kind);
  for (size_t i = 0; i < specs.size(); i++) {
    auto problem = check.problem_of(specs[i], *views[i]);
    if (!problem) return tl::unexpected(std::move(problem).error());
    if (!problem->empty()) report.problems->push_back(*std::move(problem));
  }
  if (!report.tokenizer_error.empty())
    report.problems->push_back(fmt::format("tokenizer: {}", report.tokenizer_error));
  return {};
}

}  // namespace

Result<ModelReport> describe_model(const InfoOptions& options) {
  SAMBAY_TRY(const Checkpoint checkpoint, Checkpoint::open(options.model), "opening the model");
  ModelReport report;
  report.name = checkpoint.name();
  report.kind = checkpoint.kind();
  report.file_bytes = checkpoint.file_bytes();
  SAMBAY_TRY(report.config, load_sambay_config(checkpoint), "reading the configuration");
  const std::vector<TensorSpec> specs = sambay_tensors(report.config);
  SAMBAY_TRY(const std::vector<const TensorView*> views, match_tensors(checkpoint, specs), report.name);
  describe_tensors(specs, views, report);
  describe_tokenizer(checkpoint, report);
  if (auto card = load_quality_card(checkpoint))
    report.card = *std::move(card);
  else
    report.card_error = card.error().message;
  if (report.kind == CheckpointKind::gguf)
    for (const std::string& key : checkpoint.gguf().keys())
      if (key != kCardKey) report.metadata.emplace_back(key, checkpoint.gguf().describe(key));
  if (options.check) SAMBAY_TRY_VOID(check_weights(options, specs, views, report));
  return report;
}

}  // namespace sambay
