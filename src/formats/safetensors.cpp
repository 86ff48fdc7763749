#include "formats/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <tuple>

#include "base/printable.h"

namespace sambay {
namespace {

static_assert(std::endian::native == std::endian::little, "files are little-endian and mapped as they are");

constexpr std::array<std::pair<std::string_view, DType>, 4> kTypes = {
    {{"F32", DType::f32}, {"F16", DType::f16}, {"BF16", DType::bf16}, {"I32", DType::i32}}};

struct RawTensor {
  std::string name, type;
  std::vector<uint64_t> shape, offsets;
  bool has_type = false, has_shape = false, has_offsets = false;
};

/// Reads the header as events: nothing is built but the tensors, names that come twice are seen, and nesting
/// ends at the depth that the format has.
class HeaderReader final : public nlohmann::json_sax<nlohmann::json> {
 public:
  std::vector<RawTensor> tensors;
  std::optional<Error> error;

  bool null() override { return unexpected("null"); }
  bool boolean(bool) override { return unexpected("a boolean"); }
  bool number_integer(number_integer_t) override { return unexpected("a negative number"); }
  bool number_float(number_float_t, const string_t&) override { return unexpected("a fraction"); }
  bool binary(binary_t&) override { return unexpected("binary data"); }

  bool number_unsigned(number_unsigned_t value) override {
    if (!list_) return unexpected("a number");
    if (list_->size() == kSafetensorsMaxDims)
      return refuse(ErrorCode::unsupported, fmt::format("more than {} entries in a list", list_->size()));
    list_->push_back(value);
    return true;
  }

  bool string(string_t& value) override {
    if (where_ == Where::metadata) return true;
    if (where_ != Where::tensor || field_ != Field::type || list_) return unexpected("a string");
    tensors.back().type = std::move(value);
    return true;
  }

  bool start_object(size_t) override {
    if (where_ == Where::outside) {
      where_ = Where::top;
    } else if (where_ == Where::top) {
      where_ = in_metadata_ ? Where::metadata : Where::tensor;
    } else {
      return unexpected("an object");
    }
    return true;
  }

  bool key(string_t& value) override {
    if (where_ == Where::metadata) return true;
    if (where_ == Where::tensor) return field(value);
    in_metadata_ = value == "__metadata__";
    if (in_metadata_) return true;
    if (tensors.size() == kSafetensorsMaxTensors)
      return refuse(ErrorCode::unsupported, fmt::format("more than {} tensors", kSafetensorsMaxTensors));
    if (value.size() > kSafetensorsMaxName)
      return refuse(ErrorCode::unsupported, fmt::format("a tensor name of {} bytes; at most {} are read: {}",
                                                        value.size(), kSafetensorsMaxName, printable(value)));
    tensors.emplace_back().name = std::move(value);
    return true;
  }

  bool end_object() override {
    if (where_ == Where::tensor) {
      const RawTensor& t = tensors.back();
      if (!t.has_type || !t.has_shape || !t.has_offsets)
        return refuse(ErrorCode::corrupt, fmt::format("tensor '{}': dtype, shape and data_offsets are needed",
                                                      printable(t.name)));
      where_ = Where::top;
    } else {
      where_ = where_ == Where::metadata ? Where::top : Where::outside;
    }
    return true;
  }

  bool start_array(size_t) override {
    if (where_ != Where::tensor || field_ == Field::type || list_) return unexpected("a list");
    list_ = field_ == Field::shape ? &tensors.back().shape : &tensors.back().offsets;
    return true;
  }
  bool end_array() override {
    list_ = nullptr;
    return true;
  }

  bool parse_error(size_t position, const std::string&, const nlohmann::detail::exception&) override {
    return refuse(ErrorCode::corrupt, fmt::format("not valid JSON at byte {} of the header", position));
  }

 private:
  enum class Where { outside, top, metadata, tensor };
  enum class Field { type, shape, offsets };

  bool field(const std::string& name) {
    RawTensor& t = tensors.back();
    bool* seen = nullptr;
    if (name == "dtype") field_ = Field::type, seen = &t.has_type;
    if (name == "shape") field_ = Field::shape, seen = &t.has_shape;
    if (name == "data_offsets") field_ = Field::offsets, seen = &t.has_offsets;
    if (seen == nullptr)
      return refuse(ErrorCode::unsupported,
                    fmt::format("tensor '{}': unknown field '{}'", printable(t.name), printable(name)));
    if (*seen)
      return refuse(ErrorCode::corrupt,
                    fmt::format("tensor '{}': {} stands there twice", printable(t.name), name));
    return *seen = true;
  }

  bool unexpected(const char* what) {
    static constexpr const char* kWanted[] = {"an object of tensors", "an object", "a string"};
    if (where_ != Where::tensor)
      return refuse(ErrorCode::corrupt,
                    fmt::format("{} where {} is needed", what, kWanted[static_cast<int>(where_)]));
    const char* wanted = field_ == Field::type ? "the name of a type" : "a list of whole numbers";
    return refuse(ErrorCode::corrupt, fmt::format("tensor '{}': {} where {} is needed",
                                                  printable(tensors.back().name), what, wanted));
  }

  bool refuse(ErrorCode code, std::string message) {
    error = Error{code, std::move(message)};
    return false;
  }

  Where where_ = Where::outside;
  Field field_ = Field::type;
  bool in_metadata_ = false;
  std::vector<uint64_t>* list_ = nullptr;  // the open list of the last tensor
};

/// Type, shape and place of one tensor, checked by itself.
Result<TensorView> check_tensor(RawTensor&& raw, std::span<const std::byte> data) {
  const auto type = std::ranges::find(kTypes, raw.type, &std::pair<std::string_view, DType>::first);
  if (type == kTypes.end())
    return fail(ErrorCode::unsupported,
                fmt::format("type {} is not read (F32, F16, BF16 and I32 are)", printable(raw.type, 20)));
  TensorView view{std::move(raw.name), type->second, {}, {}};
  for (const uint64_t d : raw.shape) {
    if (d > static_cast<uint64_t>(INT64_MAX))
      return fail(ErrorCode::corrupt, fmt::format("dimension {} is larger than any file", d));
    view.shape.push_back(static_cast<int64_t>(d));
  }
  if (raw.offsets.size() != 2)
    return fail(ErrorCode::corrupt,
                fmt::format("data_offsets has {} entries; begin and end are needed", raw.offsets.size()));
  const uint64_t begin = raw.offsets[0], end = raw.offsets[1];
  if (begin > end)
    return fail(ErrorCode::corrupt, fmt::format("data_offsets [{}, {}] end before they begin", begin, end));
  if (end > data.size())
    return fail(ErrorCode::corrupt,
                fmt::format("data_offsets [{}, {}] lie beyond the {} bytes of data in the file (truncated?)",
                            begin, end, data.size()));
  SAMBAY_TRY(const int64_t bytes, checked_tensor_bytes(view.type, view.shape), "shape");
  if (static_cast<uint64_t>(bytes) != end - begin)
    return fail(ErrorCode::corrupt,
                fmt::format("data_offsets [{}, {}] hold {} bytes, but {} of {} needs {}", begin, end,
                            end - begin, shape_text(view.shape), raw.type, bytes));
  view.bytes = data.subspan(begin, end - begin);
  return view;
}

/// The header's text, after checking that it lies in the file.
Result<std::string_view> header_text(std::span<const std::byte> file) {
  if (file.size() < 8)
    return fail(ErrorCode::corrupt,
                fmt::format("{} bytes are too few for a safetensors file, which starts with 8 bytes of "
                            "header length",
                            file.size()));
  uint64_t length;
  std::memcpy(&length, file.data(), 8);
  if (length > static_cast<uint64_t>(kSafetensorsMaxHeaderBytes))
    return fail(ErrorCode::corrupt,
                fmt::format("header length {} at byte 0; at most {} is allowed (not a safetensors file?)",
                            length, kSafetensorsMaxHeaderBytes));
  if (length > file.size() - 8)
    return fail(ErrorCode::corrupt,
                fmt::format("header of {} bytes, but only {} follow (truncated?)", length, file.size() - 8));
  const std::string_view text(reinterpret_cast<const char*>(file.data()) + 8, length);
  if (text.empty() || text[0] != '{')
    return fail(ErrorCode::corrupt, "the header at byte 8 does not start with '{'");
  // The JSON library takes a NUL for the end of the text.
  if (const size_t nul = text.find('\0'); nul != std::string_view::npos)
    return fail(ErrorCode::corrupt, fmt::format("a zero byte in the header at byte {}", 8 + nul));
  return text;
}

/// The bytes of the data section belong to one tensor each: no hole, no overlap, nothing behind. `tensors` is
/// in the order of the bytes.
Result<void> check_layout(std::span<const TensorView> tensors, std::span<const std::byte> data) {
  const std::byte* expected = data.data();
  for (size_t i = 0; i < tensors.size(); i++) {
    const TensorView& t = tensors[i];
    if (t.bytes.data() < expected)
      return fail(ErrorCode::corrupt,
                  fmt::format("tensor '{}': overlaps tensor '{}' at byte {} of the data", printable(t.name),
                              printable(tensors[i - 1].name), t.bytes.data() - data.data()));
    if (t.bytes.data() > expected)
      return fail(ErrorCode::corrupt,
                  fmt::format("tensor '{}': a hole of {} bytes before it, at byte {} of the data",
                              printable(t.name), t.bytes.data() - expected, expected - data.data()));
    expected += t.bytes.size();
  }
  if (const auto rest = data.data() + data.size() - expected; rest != 0)
    return fail(ErrorCode::corrupt,
                fmt::format("{} bytes behind the last tensor that belong to none of the {} in the header",
                            rest, tensors.size()));
  return {};
}

Result<void> check_names(std::span<const TensorView> tensors) {
  std::vector<std::string_view> names;
  names.reserve(tensors.size());
  for (const TensorView& t : tensors) names.push_back(t.name);
  std::ranges::sort(names);
  if (const auto twice = std::ranges::adjacent_find(names); twice != names.end())
    return fail(ErrorCode::corrupt,
                fmt::format("tensor '{}': stands in the header twice", printable(*twice)));
  return {};
}

Result<std::vector<TensorView>> parse(std::span<const std::byte> file) {
  SAMBAY_TRY(const std::string_view text, header_text(file), "header");
  HeaderReader reader;
  if (!nlohmann::json::sax_parse(text, &reader))
    return tl::unexpected(std::move(*reader.error).during("header"));

  const std::span<const std::byte> data = file.subspan(8 + text.size());
  std::vector<TensorView> tensors;
  tensors.reserve(reader.tensors.size());
  for (RawTensor& raw : reader.tensors) {
    const std::string name = raw.name;
    SAMBAY_TRY(TensorView view, check_tensor(std::move(raw), data),
               fmt::format("tensor '{}'", printable(name)));
    tensors.push_back(std::move(view));
  }
  // Empty tensors share their place with what follows: they come first.
  std::ranges::sort(tensors, {}, [](const TensorView& t) {
    return std::tuple(t.bytes.data(), t.bytes.size(), std::string_view(t.name));
  });
  SAMBAY_TRY_VOID(check_names(tensors));
  SAMBAY_TRY_VOID(check_layout(tensors, data));
  return tensors;
}

}  // namespace

Result<std::vector<TensorView>> parse_safetensors(std::span<const std::byte> file, std::string_view name) {
  SAMBAY_TRY(std::vector<TensorView> tensors, parse(file), name);
  return tensors;
}

}  // namespace sambay
