#include "formats/gguf_reader.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <optional>
#include <unordered_set>

#include "base/printable.h"

namespace sambay {
namespace {

uint64_t align_up(uint64_t bytes, uint64_t alignment) {
  return (bytes + alignment - 1) / alignment * alignment;
}

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

/// Reads forward and never past the end. After the first failure it stays where it is and gives zeros, so
/// that only loops have to look at ok().
class Cursor {
 public:
  explicit Cursor(std::span<const std::byte> file) : file_(file) {}

  bool ok() const { return !error_; }
  size_t at() const { return at_; }
  size_t left() const { return file_.size() - at_; }
  const std::byte* here() const { return file_.data() + at_; }

  void refuse(ErrorCode code, std::string_view what) {
    if (ok()) error_ = Error{code, fmt::format("byte {}: {}", at_, what)};
  }
  tl::unexpected<Error> failure() { return tl::unexpected(std::move(*error_)); }

  template <class T>
  T number(std::string_view what) {
    const std::byte* from = here();
    return skip(sizeof(T), what) ? load<T>(from) : T{};
  }
  std::string_view string(std::string_view what, uint64_t limit = std::numeric_limits<uint64_t>::max()) {
    const auto length = number<uint64_t>(what);
    if (length > limit)
      refuse(ErrorCode::corrupt,
             fmt::format("{} is {} bytes long; at most {} are possible", what, length, limit));
    const std::byte* from = here();
    if (!skip(length, what)) return {};
    return {reinterpret_cast<const char*>(from), static_cast<size_t>(length)};
  }
  bool skip(uint64_t bytes, std::string_view what) {
    if (bytes > left())
      refuse(ErrorCode::corrupt,
             fmt::format("the file ends inside {}, {} bytes from here; it is cut short or "
                         "damaged",
                         what, left()));
    if (!ok()) return false;
    at_ += static_cast<size_t>(bytes);
    return true;
  }
  GgufType type(std::string_view what) {
    const auto id = number<uint32_t>(what);
    if (id > static_cast<uint32_t>(GgufType::f64))
      refuse(ErrorCode::corrupt, fmt::format("{} has the unknown value type {}", what, id));
    return ok() ? static_cast<GgufType>(id) : GgufType::u8;
  }

 private:
  std::span<const std::byte> file_;
  std::optional<Error> error_;
  size_t at_ = 0;
};

/// A tensor's line in the table, before its bytes are looked at.
struct TensorLine {
  TensorView view;
  uint64_t offset = 0;
  int64_t bytes = 0;
};

std::string supported_types() {
  std::string out;
  for (const DTypeInfo& info : all_dtypes())
    out += fmt::format("{}{} ({})", out.empty() ? "" : ", ", info.name, info.gguf_id);
  return out;
}

TensorLine read_tensor_line(Cursor& in) {
  const std::string_view name = in.string("a tensor's name", kGgufMaxNameBytes);
  TensorLine line{{std::string(name), DType::f32, {}, {}}};
  const std::string what = fmt::format("tensor '{}'", printable(name));
  const auto dimensions = in.number<uint32_t>(what);
  if (dimensions < 1 || dimensions > kGgufMaxDims)
    in.refuse(ErrorCode::corrupt,
              fmt::format("{} has {} dimensions; 1 to {} are possible", what, dimensions, kGgufMaxDims));
  for (uint32_t i = 0; in.ok() && i < dimensions; i++) {
    const auto length = in.number<uint64_t>(what);
    if (length < 1 || length > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
      in.refuse(ErrorCode::corrupt, fmt::format("{} has an impossible dimension of {}", what, length));
    line.view.shape.insert(line.view.shape.begin(), static_cast<int64_t>(length));
  }
  const auto id = in.number<uint32_t>(what);
  line.offset = in.number<uint64_t>(what);
  if (!in.ok()) return line;
  const std::optional<DType> type = dtype_from_gguf_id(id);
  if (!type) {
    in.refuse(ErrorCode::unsupported,
              fmt::format("{} has type {}; supported are {}", what, id, supported_types()));
    return line;
  }
  line.view.type = *type;
  const Result<int64_t> bytes = checked_tensor_bytes(*type, line.view.shape);
  if (!bytes) in.refuse(bytes.error().code, fmt::format("{}: {}", what, bytes.error().message));
  line.bytes = bytes.value_or(0);
  return line;
}

/// The tensors' bytes, seen as one stretch that begins at data_start, hold each tensor once: inside the file,
/// aligned, one behind the other with nothing but padding between them and behind the last.
Result<std::vector<TensorView>> place_tensors(std::vector<TensorLine> lines, std::span<const std::byte> file,
                                              size_t data_start, uint64_t alignment) {
  const std::span<const std::byte> data = file.subspan(std::min(data_start, file.size()));
  std::vector<const TensorLine*> in_order;
  std::unordered_set<std::string_view> seen;
  for (TensorLine& line : lines) {
    const auto bad = [&](std::string_view why) {
      return fail(ErrorCode::corrupt, fmt::format("tensor '{}' {}", printable(line.view.name), why));
    };
    const auto bytes = static_cast<uint64_t>(line.bytes);
    if (!seen.insert(line.view.name).second) return bad("is there twice");
    if (line.offset % alignment != 0)
      return bad(
          fmt::format("begins at {}, which is no multiple of the alignment {}", line.offset, alignment));
    if (line.offset > data.size() || bytes > data.size() - line.offset)
      return bad(
          fmt::format("needs {} bytes at {}, but the file holds {} bytes of data; it is cut short or "
                      "damaged",
                      bytes, line.offset, data.size()));
    line.view.bytes = data.subspan(line.offset, bytes);
    in_order.push_back(&line);
  }
  std::ranges::sort(in_order, {}, &TensorLine::offset);
  uint64_t expected = 0;
  for (const TensorLine* line : in_order) {
    if (line->offset != expected)
      return fail(ErrorCode::corrupt,
                  fmt::format("tensor '{}' begins at {}, {} what lies before it ends at {}",
                              printable(line->view.name), line->offset,
                              line->offset < expected ? "but" : "behind a hole, since", expected));
    expected = align_up(expected + static_cast<uint64_t>(line->bytes), alignment);
  }
  if (data.size() > expected)
    return fail(ErrorCode::corrupt,
                fmt::format("{} bytes behind the last tensor that belong to none", data.size() - expected));
  std::vector<TensorView> views;
  views.reserve(lines.size());
  for (TensorLine& line : lines) views.push_back(std::move(line.view));
  return views;
}

std::string_view load_string(const std::byte* p) {
  return {reinterpret_cast<const char*>(p) + 8, static_cast<size_t>(load<uint64_t>(p))};
}

bool is_number(GgufType type) { return scalar_bytes(type) > 0 && type != GgufType::boolean; }
bool is_integer(GgufType type) { return is_number(type) && type != GgufType::f32 && type != GgufType::f64; }

/// For integer types; empty for what int64_t cannot hold.
std::optional<int64_t> load_integer(GgufType type, const std::byte* p) {
  switch (type) {
    case GgufType::u8: return load<uint8_t>(p);
    case GgufType::i8: return load<int8_t>(p);
    case GgufType::u16: return load<uint16_t>(p);
    case GgufType::i16: return load<int16_t>(p);
    case GgufType::u32: return load<uint32_t>(p);
    case GgufType::i32: return load<int32_t>(p);
    case GgufType::i64: return load<int64_t>(p);
    default: break;
  }
  const auto value = load<uint64_t>(p);
  if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return std::nullopt;
  return static_cast<int64_t>(value);
}

/// For number types.
double load_number(GgufType type, const std::byte* p) {
  if (type == GgufType::f32) return load<float>(p);
  if (type == GgufType::f64) return load<double>(p);
  if (type == GgufType::u64) return static_cast<double>(load<uint64_t>(p));
  return static_cast<double>(*load_integer(type, p));
}

std::string scalar_text(GgufType type, const std::byte* p) {
  if (type == GgufType::boolean) return load<uint8_t>(p) != 0 ? "true" : "false";
  if (type == GgufType::u64) return std::to_string(load<uint64_t>(p));
  if (is_integer(type)) return std::to_string(*load_integer(type, p));
  if (type == GgufType::f32) return fmt::format("{}", load<float>(p));  // 1e-05, not its digits as a double
  return fmt::format("{}", load<double>(p));
}

}  // namespace

/// One pass over a file, in the order of the file.
class GgufReader::Parser {
 public:
  Parser(std::span<const std::byte> file, GgufReader& to) : file_(file), in_(file), to_(to) {}

  Result<void> run() {
    SAMBAY_TRY_VOID(read_version());
    const auto tensor_count = in_.number<uint64_t>("the number of tensors");
    const auto key_count = in_.number<uint64_t>("the number of keys");
    if (tensor_count > kGgufMaxTensors || key_count > kGgufMaxKeys)
      in_.refuse(ErrorCode::corrupt, fmt::format("{} tensors and {} keys; at most {} and {} are possible",
                                                 tensor_count, key_count, kGgufMaxTensors, kGgufMaxKeys));
    for (uint64_t i = 0; in_.ok() && i < key_count; i++) read_entry();
    std::vector<TensorLine> lines;
    for (uint64_t i = 0; in_.ok() && i < tensor_count; i++) lines.push_back(read_tensor_line(in_));
    if (!in_.ok()) return in_.failure();
    SAMBAY_TRY_VOID(read_alignment());
    // A file without tensors ends anywhere up to here.
    const uint64_t data_start = align_up(in_.at(), alignment_);
    auto tensors = place_tensors(std::move(lines), file_, data_start, alignment_);
    if (!tensors) return tl::unexpected(std::move(tensors).error());
    to_.tensors_ = *std::move(tensors);
    return {};
  }

 private:
  Result<void> read_version() {
    const auto magic = in_.number<uint32_t>("the first word");
    if (magic != kGgufMagic) in_.refuse(ErrorCode::corrupt, "not a GGUF file, which begins with GGUF");
    const uint32_t version = in_.number<uint32_t>("the version");
    if (version >= 0x10000 && (version & 0xffff) == 0)
      in_.refuse(ErrorCode::unsupported,
                 "a big-endian GGUF file; convert the model for little-endian machines");
    if (version != 2 && version != 3)
      in_.refuse(ErrorCode::unsupported, fmt::format("GGUF version {}; 2 and 3 can be read", version));
    if (!in_.ok()) return in_.failure();
    to_.version_ = version;
    return {};
  }

  void read_entry() {
    const std::string_view key = in_.string("a key", kGgufMaxNameBytes);
    const std::string what = fmt::format("key '{}'", printable(key));
    const GgufType outer = in_.type(what);
    Value value{outer, outer == GgufType::array, 1, nullptr, nullptr};
    if (value.is_array) {
      value.type = in_.type(what);
      value.count = in_.number<uint64_t>(what);
      if (value.type == GgufType::array) in_.refuse(ErrorCode::unsupported, what + " is an array of arrays");
    }
    value.data = in_.here();
    if (value.type == GgufType::string) {
      for (uint64_t i = 0; in_.ok() && i < value.count; i++) in_.string(what);
    } else if (in_.ok()) {
      const uint64_t width = scalar_bytes(value.type);
      if (value.count > in_.left() / width)
        in_.refuse(ErrorCode::corrupt,
                   fmt::format("{} has {} values of {} bytes, and the file only {} bytes more", what,
                               value.count, width, in_.left()));
      in_.skip(value.count * width, what);
    }
    value.end = in_.here();
    if (!in_.ok()) return;
    if (!to_.values_.emplace(key, value).second) in_.refuse(ErrorCode::corrupt, what + " is there twice");
    to_.keys_.emplace_back(key);
  }

  Result<void> read_alignment() {
    alignment_ = kGgufDefaultAlignment;
    if (!to_.has("general.alignment")) return {};
    const Result<int64_t> given = to_.integer("general.alignment");
    if (!given) return tl::unexpected(given.error());
    if (*given < 8 || *given > kGgufMaxAlignment || (*given & (*given - 1)) != 0)
      return fail(ErrorCode::unsupported,
                  fmt::format("general.alignment {}: must be a power of two from 8 to {}", *given,
                              kGgufMaxAlignment));
    alignment_ = static_cast<uint64_t>(*given);
    return {};
  }

  std::span<const std::byte> file_;
  Cursor in_;
  GgufReader& to_;
  uint64_t alignment_ = 0;
};

Result<GgufReader> GgufReader::parse(std::span<const std::byte> file, std::string_view name) {
  GgufReader reader;
  if (auto status = Parser(file, reader).run(); !status)
    return tl::unexpected(std::move(status).error().during(name));
  reader.name_ = name;
  return reader;
}

bool GgufReader::has(std::string_view key) const { return values_.contains(std::string(key)); }

tl::unexpected<Error> GgufReader::bad(std::string_view key, ErrorCode code, std::string_view why) const {
  return fail(code, fmt::format("{}{}key '{}' {}", name_, name_.empty() ? "" : ": ", printable(key), why));
}

Result<const GgufReader::Value*> GgufReader::find(std::string_view key, bool array, std::string_view wanted,
                                                  bool (*fits)(GgufType)) const {
  const auto found = values_.find(std::string(key));
  if (found == values_.end())
    return bad(key, ErrorCode::not_found, fmt::format("is missing; {} is needed", wanted));
  const Value& value = found->second;
  if (value.is_array != array || !fits(value.type))
    return bad(key, ErrorCode::corrupt,
               fmt::format("is {}{}; {} is needed", value.is_array ? "an array of " : "",
                           type_name(value.type), wanted));
  return &value;
}

Result<int64_t> GgufReader::integer(std::string_view key) const {
  const auto value = find(key, false, "an integer", is_integer);
  if (!value) return tl::unexpected(value.error());
  const std::optional<int64_t> number = load_integer((*value)->type, (*value)->data);
  if (!number) return bad(key, ErrorCode::corrupt, "is larger than any size");
  return *number;
}

Result<double> GgufReader::number(std::string_view key) const {
  const auto value = find(key, false, "a number", is_number);
  if (!value) return tl::unexpected(value.error());
  return load_number((*value)->type, (*value)->data);
}

Result<bool> GgufReader::boolean(std::string_view key) const {
  const auto value = find(key, false, "a boolean", [](GgufType t) { return t == GgufType::boolean; });
  if (!value) return tl::unexpected(value.error());
  const auto byte = load<uint8_t>((*value)->data);
  if (byte > 1)
    return bad(key, ErrorCode::corrupt, fmt::format("is {}, neither false (0) nor true (1)", byte));
  return byte == 1;
}

Result<std::string_view> GgufReader::string(std::string_view key) const {
  const auto value = find(key, false, "a string", [](GgufType t) { return t == GgufType::string; });
  if (!value) return tl::unexpected(value.error());
  return load_string((*value)->data);
}

Result<std::vector<std::string_view>> GgufReader::strings(std::string_view key) const {
  const auto value = find(key, true, "an array of strings", [](GgufType t) { return t == GgufType::string; });
  if (!value) return tl::unexpected(value.error());
  std::vector<std::string_view> out;
  out.reserve(static_cast<size_t>((*value)->count));
  const std::byte* at = (*value)->data;
  for (uint64_t i = 0; i < (*value)->count; i++) {
    out.push_back(load_string(at));
    at += 8 + out.back().size();
  }
  return out;
}

Result<std::vector<int64_t>> GgufReader::integers(std::string_view key) const {
  const auto value = find(key, true, "an array of integers", is_integer);
  if (!value) return tl::unexpected(value.error());
  const size_t width = scalar_bytes((*value)->type);
  std::vector<int64_t> out;
  out.reserve(static_cast<size_t>((*value)->count));
  for (const std::byte* at = (*value)->data; at != (*value)->end; at += width) {
    const std::optional<int64_t> number = load_integer((*value)->type, at);
    if (!number) return bad(key, ErrorCode::corrupt, "has an element that is larger than any size");
    out.push_back(*number);
  }
  return out;
}

Result<std::vector<double>> GgufReader::numbers(std::string_view key) const {
  const auto value = find(key, true, "an array of numbers", is_number);
  if (!value) return tl::unexpected(value.error());
  const size_t width = scalar_bytes((*value)->type);
  std::vector<double> out;
  out.reserve(static_cast<size_t>((*value)->count));
  for (const std::byte* at = (*value)->data; at != (*value)->end; at += width)
    out.push_back(load_number((*value)->type, at));
  return out;
}

std::string GgufReader::describe(std::string_view key) const {
  const auto found = values_.find(std::string(key));
  if (found == values_.end()) return {};
  const Value& value = found->second;
  if (value.type == GgufType::string)
    return value.is_array ? fmt::format("[{} strings]", value.count) : printable(load_string(value.data));
  if (!value.is_array) return scalar_text(value.type, value.data);
  if (value.count > 8) return fmt::format("[{} values of type {}]", value.count, type_name(value.type));
  std::string out = "[";
  const size_t width = scalar_bytes(value.type);
  for (const std::byte* at = value.data; at != value.end; at += width)
    out += (out.size() > 1 ? ", " : "") + scalar_text(value.type, at);
  return out + "]";
}

}  // namespace sambay
