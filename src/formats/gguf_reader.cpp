#include "formats/gguf_reader.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "base/printable.h"

namespace sambay {
namespace {

// Limits on what a file may claim; a real file has 434 tensors, some 40 keys and a vocabulary of 200,064.
constexpr uint64_t kMaxTensors = 1 << 16;
constexpr uint64_t kMaxKeys = 1 << 16;
constexpr uint64_t kMaxKeyBytes = 1 << 16;
constexpr uint32_t kMaxDimensions = 4;
constexpr int64_t kMaxAlignment = 1 << 20;

/// Bytes of one element; 0 for strings, arrays and unknown types.
size_t scalar_bytes(GgufType type) {
  switch (type) {
    case GgufType::u8:
    case GgufType::i8:
    case GgufType::boolean: return 1;
    case GgufType::u16:
    case GgufType::i16: return 2;
    case GgufType::u32:
    case GgufType::i32:
    case GgufType::f32: return 4;
    case GgufType::u64:
    case GgufType::i64:
    case GgufType::f64: return 8;
    case GgufType::string:
    case GgufType::array: return 0;
  }
  return 0;
}

const char* type_name(GgufType type) {
  constexpr const char* kNames[] = {"u8",      "i8",     "u16",   "i16", "u32", "i32", "f32",
                                    "boolean", "string", "array", "u64", "i64", "f64"};
  const auto i = static_cast<size_t>(type);
  return i < std::size(kNames) ? kNames[i] : "unknown";
}

template <class T>
T load(const std::byte* p) {
  T value;
  std::memcpy(&value, p, sizeof value);
  return value;
}

/// Reads forward and never past the end.
class Cursor {
 public:
  Cursor(std::span<const std::byte> file, std::string_view name) : file_(file), name_(name) {}

  size_t at() const { return at_; }
  size_t left() const { return file_.size() - at_; }
  const std::byte* here() const { return file_.data() + at_; }

  tl::unexpected<Error> bad(ErrorCode code, std::string_view what) const {
    return fail(code, fmt::format("{}: byte {}: {}", name_, at_, what));
  }
  template <class T>
  Result<T> number(std::string_view what) {
    if (left() < sizeof(T)) return bad(ErrorCode::corrupt, fmt::format("the file ends inside {}", what));
    const T value = load<T>(here());
    at_ += sizeof(T);
    return value;
  }
  Result<std::string_view> string(std::string_view what,
                                  uint64_t limit = std::numeric_limits<uint64_t>::max()) {
    SAMBAY_TRY(const uint64_t length, number<uint64_t>(what), "GGUF");
    if (length > left())
      return bad(ErrorCode::corrupt, fmt::format("{} of {} bytes does not fit into the file", what, length));
    if (length > limit)
      return bad(ErrorCode::corrupt, fmt::format("{} of {} bytes; at most {}", what, length, limit));
    const std::string_view text(reinterpret_cast<const char*>(here()), static_cast<size_t>(length));
    at_ += static_cast<size_t>(length);
    return text;
  }
  Result<void> skip(uint64_t bytes, std::string_view what) {
    if (bytes > left()) return bad(ErrorCode::corrupt, fmt::format("the file ends inside {}", what));
    at_ += static_cast<size_t>(bytes);
    return {};
  }
  Result<GgufType> type(std::string_view what) {
    SAMBAY_TRY(const uint32_t id, number<uint32_t>(what), "GGUF");
    if (id > static_cast<uint32_t>(GgufType::f64))
      return bad(ErrorCode::corrupt, fmt::format("{} has the unknown value type {}", what, id));
    return static_cast<GgufType>(id);
  }

 private:
  std::span<const std::byte> file_;
  std::string_view name_;
  size_t at_ = 0;
};

bool add_overflows(uint64_t a, uint64_t b, uint64_t* sum) { return __builtin_add_overflow(a, b, sum); }
bool mul_overflows(int64_t a, int64_t b, int64_t* product) { return __builtin_mul_overflow(a, b, product); }

/// A tensor's line in the table, before its bytes are looked at.
struct TensorLine {
  TensorView view;
  uint64_t offset;
  int64_t bytes;
};

Result<TensorLine> read_tensor_line(Cursor& in) {
  SAMBAY_TRY(const std::string_view name, in.string("a tensor's name", kMaxKeyBytes), "GGUF");
  TensorLine line{{std::string(name), DType::f32, {}, {}}, 0, 0};
  const std::string what = fmt::format("tensor '{}'", printable(name));
  SAMBAY_TRY(const uint32_t dimensions, in.number<uint32_t>(what), "GGUF");
  if (dimensions < 1 || dimensions > kMaxDimensions)
    return in.bad(ErrorCode::corrupt, fmt::format("{} has {} dimensions; 1 to {} are possible", what,
                                                  dimensions, kMaxDimensions));
  int64_t count = 1;
  for (uint32_t i = 0; i < dimensions; i++) {
    SAMBAY_TRY(const uint64_t length, in.number<uint64_t>(what), "GGUF");
    if (length < 1 || length > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()) ||
        mul_overflows(count, static_cast<int64_t>(length), &count))
      return in.bad(ErrorCode::corrupt, fmt::format("{} has an impossible dimension of {}", what, length));
    line.view.shape.insert(line.view.shape.begin(), static_cast<int64_t>(length));
  }
  SAMBAY_TRY(const uint32_t id, in.number<uint32_t>(what), "GGUF");
  const std::optional<DType> type = dtype_from_gguf_id(id);
  if (!type)
    return in.bad(
        ErrorCode::unsupported,
        fmt::format("{} has type {}; supported are f32 (0), f16 (1), q8_0 (8) and bf16 (30)", what, id));
  const DTypeInfo& info = dtype_info(*type);
  if (line.view.shape.back() % info.block_elems != 0)
    return in.bad(ErrorCode::corrupt, fmt::format("{} is {} with rows of {}, which is no multiple of {}",
                                                  what, info.name, line.view.shape.back(), info.block_elems));
  if (mul_overflows(count / info.block_elems, info.block_bytes, &line.bytes))
    return in.bad(ErrorCode::corrupt, fmt::format("{} is impossibly large", what));
  line.view.type = *type;
  SAMBAY_TRY(line.offset, in.number<uint64_t>(what), "GGUF");
  return line;
}

/// Cuts the tensors' bytes out of the file: aligned, inside, and no two sharing a byte.
Result<std::vector<TensorView>> place_tensors(std::vector<TensorLine> lines, std::span<const std::byte> file,
                                              uint64_t data_start, int64_t alignment, std::string_view name) {
  std::vector<TensorView> views;
  std::unordered_map<std::string_view, size_t> seen;
  std::vector<std::pair<uint64_t, uint64_t>> ranges;
  for (TensorLine& line : lines) {
    const std::string what = fmt::format("{}: tensor '{}'", name, printable(line.view.name));
    if (!seen.emplace(line.view.name, views.size()).second)
      return fail(ErrorCode::corrupt, what + " is there twice");
    if (line.offset % static_cast<uint64_t>(alignment) != 0)
      return fail(ErrorCode::corrupt, fmt::format("{} begins at {}, which is no multiple of the alignment {}",
                                                  what, line.offset, alignment));
    uint64_t begin = 0, end = 0;
    if (add_overflows(data_start, line.offset, &begin) ||
        add_overflows(begin, static_cast<uint64_t>(line.bytes), &end) || end > file.size())
      return fail(
          ErrorCode::corrupt,
          fmt::format(
              "{} needs {} bytes at offset {} and reaches beyond the end of the file ({} bytes); the file is "
              "cut short or damaged",
              what, line.bytes, line.offset, file.size()));
    line.view.bytes = file.subspan(static_cast<size_t>(begin), static_cast<size_t>(line.bytes));
    ranges.emplace_back(begin, end);
  }
  for (TensorLine& line : lines) views.push_back(std::move(line.view));
  std::sort(ranges.begin(), ranges.end());
  for (size_t i = 1; i < ranges.size(); i++)
    if (ranges[i].first < ranges[i - 1].second)
      return fail(ErrorCode::corrupt,
                  fmt::format("{}: two tensors share the bytes from {} on", name, ranges[i].first));
  return views;
}

std::string_view load_string(const std::byte* p) {
  return {reinterpret_cast<const char*>(p) + 8, static_cast<size_t>(load<uint64_t>(p))};
}

/// Empty when the type is no integer, or the value does not fit.
std::optional<int64_t> load_integer(GgufType type, const std::byte* p) {
  switch (type) {
    case GgufType::u8: return load<uint8_t>(p);
    case GgufType::i8: return load<int8_t>(p);
    case GgufType::u16: return load<uint16_t>(p);
    case GgufType::i16: return load<int16_t>(p);
    case GgufType::u32: return load<uint32_t>(p);
    case GgufType::i32: return load<int32_t>(p);
    case GgufType::i64: return load<int64_t>(p);
    case GgufType::u64: {
      const auto value = load<uint64_t>(p);
      if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return std::nullopt;
      return static_cast<int64_t>(value);
    }
    default: return std::nullopt;
  }
}

std::optional<double> load_number(GgufType type, const std::byte* p) {
  if (type == GgufType::f32) return load<float>(p);
  if (type == GgufType::f64) return load<double>(p);
  if (const auto value = load_integer(type, p)) return static_cast<double>(*value);
  return std::nullopt;
}

}  // namespace

Result<GgufReader> GgufReader::parse(std::span<const std::byte> file, std::string_view name) {
  GgufReader reader;
  reader.name_ = name;
  Cursor in(file, name);
  SAMBAY_TRY(const uint32_t magic, in.number<uint32_t>("the magic number"), "GGUF");
  if (magic != kGgufMagic)
    return fail(ErrorCode::corrupt, fmt::format("{}: not a GGUF file (it does not begin with GGUF)", name));
  SAMBAY_TRY(reader.version_, in.number<uint32_t>("the version"), "GGUF");
  if ((reader.version_ & 0xffff) == 0 && reader.version_ != 0)
    return fail(
        ErrorCode::unsupported,
        fmt::format("{}: a big-endian GGUF file; convert the model again on a little-endian machine", name));
  if (reader.version_ != 2 && reader.version_ != 3)
    return fail(ErrorCode::unsupported,
                fmt::format("{}: GGUF version {}; 2 and 3 can be read", name, reader.version_));
  SAMBAY_TRY(const uint64_t tensor_count, in.number<uint64_t>("the number of tensors"), "GGUF");
  SAMBAY_TRY(const uint64_t key_count, in.number<uint64_t>("the number of keys"), "GGUF");
  if (tensor_count > kMaxTensors || key_count > kMaxKeys)
    return in.bad(ErrorCode::corrupt, fmt::format("{} tensors and {} keys; at most {} and {} are possible",
                                                  tensor_count, key_count, kMaxTensors, kMaxKeys));
  for (uint64_t i = 0; i < key_count; i++) {
    SAMBAY_TRY(const std::string_view key, in.string("a key", kMaxKeyBytes), "GGUF");
    const std::string what = fmt::format("key '{}'", printable(key));
    SAMBAY_TRY(GgufType type, in.type(what), "GGUF");
    Value value{type, type == GgufType::array, 1, nullptr, nullptr};
    if (value.is_array) {
      SAMBAY_TRY(value.type, in.type(what), "GGUF");
      if (value.type == GgufType::array)
        return in.bad(ErrorCode::unsupported, what + " is an array of arrays");
      SAMBAY_TRY(value.count, in.number<uint64_t>(what), "GGUF");
    }
    value.data = in.here();
    if (value.type == GgufType::string) {
      if (value.count > in.left() / 8)
        return in.bad(ErrorCode::corrupt, fmt::format("{} has {} strings, more than fit", what, value.count));
      for (uint64_t s = 0; s < value.count; s++)
        if (auto text = in.string(what); !text) return tl::unexpected(std::move(text).error());
    } else {
      const uint64_t width = scalar_bytes(value.type);
      if (value.count > in.left() / width)
        return in.bad(ErrorCode::corrupt, fmt::format("{} has {} values, more than fit", what, value.count));
      SAMBAY_TRY_VOID(in.skip(value.count * width, what));
    }
    value.end = in.here();
    if (!reader.values_.emplace(std::string(key), value).second)
      return in.bad(ErrorCode::corrupt, what + " is there twice");
    reader.keys_.emplace_back(key);
  }

  std::vector<TensorLine> lines;
  for (uint64_t i = 0; i < tensor_count; i++) {
    SAMBAY_TRY(TensorLine line, read_tensor_line(in), "GGUF");
    lines.push_back(std::move(line));
  }
  int64_t alignment = kGgufDefaultAlignment;
  if (reader.has("general.alignment")) {
    SAMBAY_TRY(alignment, reader.integer("general.alignment"), "GGUF");
    if (alignment < 1 || alignment > kMaxAlignment || (alignment & (alignment - 1)) != 0)
      return fail(ErrorCode::unsupported,
                  fmt::format("{}: general.alignment {}: must be a power of two up to {}", name, alignment,
                              kMaxAlignment));
  }
  const uint64_t data_start = (in.at() + static_cast<uint64_t>(alignment) - 1) /
                              static_cast<uint64_t>(alignment) * static_cast<uint64_t>(alignment);
  SAMBAY_TRY(reader.tensors_, place_tensors(std::move(lines), file, data_start, alignment, name), "GGUF");
  return reader;
}

bool GgufReader::has(std::string_view key) const { return values_.contains(std::string(key)); }

Result<const GgufReader::Value*> GgufReader::find(std::string_view key) const {
  const auto found = values_.find(std::string(key));
  if (found == values_.end())
    return fail(ErrorCode::not_found, fmt::format("{}: key '{}' is missing", name_, printable(key)));
  return &found->second;
}

tl::unexpected<Error> GgufReader::wrong_type(std::string_view key, const Value& value,
                                             std::string_view wanted) const {
  return fail(ErrorCode::corrupt,
              fmt::format("{}: key '{}' is {}{}; expected {}", name_, printable(key),
                          value.is_array ? "an array of " : "", type_name(value.type), wanted));
}

Result<int64_t> GgufReader::integer(std::string_view key) const {
  SAMBAY_TRY(const Value* value, find(key), "GGUF");
  const std::optional<int64_t> number =
      value->is_array ? std::nullopt : load_integer(value->type, value->data);
  if (!number) return wrong_type(key, *value, "an integer");
  return *number;
}

Result<double> GgufReader::number(std::string_view key) const {
  SAMBAY_TRY(const Value* value, find(key), "GGUF");
  const std::optional<double> number = value->is_array ? std::nullopt : load_number(value->type, value->data);
  if (!number) return wrong_type(key, *value, "a number");
  return *number;
}

Result<bool> GgufReader::boolean(std::string_view key) const {
  SAMBAY_TRY(const Value* value, find(key), "GGUF");
  if (value->is_array || value->type != GgufType::boolean) return wrong_type(key, *value, "a boolean");
  return load<uint8_t>(value->data) != 0;
}

Result<std::string_view> GgufReader::string(std::string_view key) const {
  SAMBAY_TRY(const Value* value, find(key), "GGUF");
  if (value->is_array || value->type != GgufType::string) return wrong_type(key, *value, "a string");
  return load_string(value->data);
}

Result<std::vector<std::string_view>> GgufReader::strings(std::string_view key) const {
  SAMBAY_TRY(const Value* value, find(key), "GGUF");
  if (!value->is_array || value->type != GgufType::string)
    return wrong_type(key, *value, "an array of strings");
  std::vector<std::string_view> out;
  out.reserve(static_cast<size_t>(value->count));
  const std::byte* at = value->data;
  for (uint64_t i = 0; i < value->count; i++) {
    out.push_back(load_string(at));
    at += 8 + out.back().size();
  }
  return out;
}

Result<std::vector<int64_t>> GgufReader::integers(std::string_view key) const {
  SAMBAY_TRY(const Value* value, find(key), "GGUF");
  std::vector<int64_t> out;
  for (uint64_t i = 0; value->is_array && i < value->count; i++) {
    const auto number = load_integer(value->type, value->data + i * scalar_bytes(value->type));
    if (!number) return wrong_type(key, *value, "an array of integers");
    out.push_back(*number);
  }
  if (!value->is_array) return wrong_type(key, *value, "an array of integers");
  return out;
}

Result<std::vector<double>> GgufReader::numbers(std::string_view key) const {
  SAMBAY_TRY(const Value* value, find(key), "GGUF");
  std::vector<double> out;
  for (uint64_t i = 0; value->is_array && i < value->count; i++) {
    const auto number = load_number(value->type, value->data + i * scalar_bytes(value->type));
    if (!number) return wrong_type(key, *value, "an array of numbers");
    out.push_back(*number);
  }
  if (!value->is_array) return wrong_type(key, *value, "an array of numbers");
  return out;
}

std::string GgufReader::describe(std::string_view key) const {
  const auto value = find(key);
  if (!value) return {};
  if ((*value)->is_array) return fmt::format("[{} x {}]", (*value)->count, type_name((*value)->type));
  if ((*value)->type == GgufType::string) return printable(load_string((*value)->data));
  if ((*value)->type == GgufType::boolean) return load<uint8_t>((*value)->data) ? "true" : "false";
  if (const auto number = load_integer((*value)->type, (*value)->data)) return std::to_string(*number);
  return fmt::format("{}", load_number((*value)->type, (*value)->data).value_or(0));
}

}  // namespace sambay
