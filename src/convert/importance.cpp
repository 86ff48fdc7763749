#include "convert/importance.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/mapped_file.h"
#include "base/printable.h"
#include "formats/safetensors.h"

namespace sambay {
namespace {

constexpr std::string_view kTokens = "tokens";  // how many there were; for people

/// To a mean of 1. A column that the calibration text never used may still be used by another text: it counts
/// a hundredth of the mean.
void normalize_importance(std::vector<float>& values) {
  double sum = 0;
  for (const float v : values) sum += v;
  const double mean = sum / static_cast<double>(values.size());
  for (float& v : values)
    v = mean > 0 ? static_cast<float>((static_cast<double>(v) / mean + 0.01) / 1.01) : 1.0f;
}

Result<std::vector<float>> read_vector(const TensorView& view, const TensorSpec& spec) {
  const std::vector<int64_t> shape = {spec.shape.back()};
  if (view.type != DType::f32 || view.shape != shape)
    return fail(ErrorCode::corrupt,
                fmt::format("{} is {} {}; this model needs f32 {}", view.name, dtype_info(view.type).name,
                            shape_text(view.shape), shape_text(shape)));
  std::vector<float> values(static_cast<size_t>(shape[0]));
  std::memcpy(values.data(), view.bytes.data(), view.bytes.size());
  for (size_t i = 0; i < values.size(); i++)
    if (!std::isfinite(values[i]) || values[i] < 0)
      return fail(ErrorCode::corrupt,
                  fmt::format("{}: column {} is {}; mean squares are finite and not negative", view.name, i,
                              values[i]));
  normalize_importance(values);
  return values;
}

}  // namespace

Result<std::vector<std::vector<float>>> load_importance(const std::string& path,
                                                        const std::vector<TensorSpec>& specs) {
  SAMBAY_TRY(const MappedFile file, MappedFile::open(path), "opening the importance matrix");
  SAMBAY_TRY(const std::vector<TensorView> views, parse_safetensors(file.bytes(), path),
             "reading the importance matrix");
  std::vector<std::vector<float>> importance(specs.size());
  for (const TensorView& view : views) {
    if (view.name == kTokens) continue;
    const auto spec = std::ranges::find_if(
        specs, [&](const TensorSpec& s) { return s.is_matrix && s.gguf_name == view.name; });
    if (spec == specs.end())
      return fail(ErrorCode::corrupt,
                  fmt::format("{}: {} is no matrix of this model; the file is of another one", path,
                              printable(view.name)));
    SAMBAY_TRY(importance[static_cast<size_t>(spec - specs.begin())], read_vector(view, *spec), path);
  }
  return importance;
}

}  // namespace sambay
