#include "formats/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "base/printable.h"

namespace sambay {
namespace {

using json = nlohmann::json;

constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // the reference implementation's limit
constexpr size_t kMaxTensors = 1 << 16;
constexpr size_t kMaxDimensions = 8;

std::optional<DType> dtype_of(std::string_view name) {
  if (name == "F32") return DType::f32;
  if (name == "F16") return DType::f16;
  if (name == "BF16") return DType::bf16;
  if (name == "I32") return DType::i32;
  return std::nullopt;
}

/// Parses without exceptions; an object key that is there twice makes the result discarded, `duplicate` says
/// which.
json parse_strict(std::string_view text, std::string* duplicate) {
  std::vector<std::set<std::string>> keys;
  const auto callback = [&](int, json::parse_event_t event, json& value) {
    if (event == json::parse_event_t::object_start) keys.emplace_back();
    if (event == json::parse_event_t::object_end) keys.pop_back();
    if (event == json::parse_event_t::key && !keys.back().insert(value.get_ref<const std::string&>()).second)
      *duplicate = value.get_ref<const std::string&>();
    return true;
  };
  return json::parse(text, callback, false);
}

/// A non-negative integer of a JSON value.
std::optional<uint64_t> unsigned_of(const json& value) {
  if (!value.is_number_unsigned()) return std::nullopt;
  return value.get<uint64_t>();
}

class HeaderReader {
 public:
  HeaderReader(std::span<const std::byte> data, std::string_view name) : data_(data), name_(name) {}

  Result<TensorView> tensor(const std::string& key, const json& value) const {
    const std::string what = fmt::format("{}: tensor '{}'", name_, printable(key));
    const auto bad = [&](std::string_view why) {
      return fail(ErrorCode::corrupt, fmt::format("{}: {}", what, why));
    };
    if (!value.is_object() || !value.contains("dtype") || !value.contains("shape") ||
        !value.contains("data_offsets"))
      return bad("its header entry needs dtype, shape and data_offsets");
    const json &dtype = value["dtype"], &shape = value["shape"], &offsets = value["data_offsets"];
    if (!dtype.is_string()) return bad("dtype is not a string");
    const std::optional<DType> type = dtype_of(dtype.get_ref<const std::string&>());
    if (!type)
      return fail(ErrorCode::unsupported, fmt::format("{}: type {}; supported are F32, F16, BF16 and I32",
                                                      what, printable(dtype.get_ref<const std::string&>())));
    TensorView view{key, *type, {}, {}};
    if (!shape.is_array() || shape.size() > kMaxDimensions)
      return bad(fmt::format("shape is not an array of at most {} lengths", kMaxDimensions));
    int64_t bytes = dtype_info(*type).block_bytes;
    for (const json& length : shape) {
      const auto n = unsigned_of(length);
      if (!n || *n > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()) ||
          __builtin_mul_overflow(bytes, static_cast<int64_t>(*n), &bytes))
        return bad("shape holds an impossible length");
      view.shape.push_back(static_cast<int64_t>(*n));
    }
    const auto begin = offsets.is_array() && offsets.size() == 2 ? unsigned_of(offsets[0]) : std::nullopt;
    const auto end = begin ? unsigned_of(offsets[1]) : std::nullopt;
    if (!end || *begin > *end) return bad("data_offsets is not [begin, end]");
    if (*end > data_.size())
      return bad(fmt::format(
          "its data ends at {}, but the file holds {} bytes of data; the file is cut short or damaged", *end,
          data_.size()));
    if (*end - *begin != static_cast<uint64_t>(bytes))
      return bad(fmt::format("{} bytes of data for a shape that needs {}", *end - *begin, bytes));
    view.bytes = data_.subspan(static_cast<size_t>(*begin), static_cast<size_t>(bytes));
    return view;
  }

  /// The tensors must cover the data section exactly: no byte twice, none unused.
  Result<void> check_cover(const std::vector<TensorView>& tensors) const {
    std::vector<std::pair<size_t, size_t>> ranges;
    for (const TensorView& t : tensors)
      ranges.emplace_back(static_cast<size_t>(t.bytes.data() - data_.data()), t.bytes.size());
    std::sort(ranges.begin(), ranges.end());
    size_t covered = 0;
    for (const auto& [begin, size] : ranges) {
      if (begin != covered)
        return fail(ErrorCode::corrupt,
                    fmt::format("{}: {} at byte {} of the data", name_,
                                begin < covered ? "two tensors overlap" : "bytes that belong to no tensor",
                                std::min(begin, covered)));
      covered += size;
    }
    if (covered != data_.size())
      return fail(ErrorCode::corrupt,
                  fmt::format("{}: {} bytes behind the last tensor", name_, data_.size() - covered));
    return {};
  }

 private:
  std::span<const std::byte> data_;
  std::string_view name_;
};

}  // namespace

Result<std::vector<TensorView>> parse_safetensors(std::span<const std::byte> file, std::string_view name) {
  const auto bad = [&](std::string_view why) {
    return fail(ErrorCode::corrupt, fmt::format("{}: {}", name, why));
  };
  uint64_t header_bytes = 0;
  if (file.size() < sizeof header_bytes)
    return bad("too short for a safetensors file (its header length has 8 bytes)");
  std::memcpy(&header_bytes, file.data(), sizeof header_bytes);
  if (header_bytes > kMaxHeaderBytes)
    return bad(fmt::format("header of {} bytes; at most {}", header_bytes, kMaxHeaderBytes));
  if (header_bytes > file.size() - 8)
    return bad(fmt::format(
        "the header says {} bytes, but only {} follow; the file is cut short or no safetensors file",
        header_bytes, file.size() - 8));
  std::string duplicate;
  const json header = parse_strict(
      {reinterpret_cast<const char*>(file.data()) + 8, static_cast<size_t>(header_bytes)}, &duplicate);
  if (!header.is_object()) return bad("the header is not a JSON object");
  if (!duplicate.empty()) return bad(fmt::format("'{}' is in the header twice", printable(duplicate)));
  if (header.size() > kMaxTensors)
    return bad(fmt::format("{} tensors; at most {}", header.size(), kMaxTensors));

  const HeaderReader reader(file.subspan(8 + static_cast<size_t>(header_bytes)), name);
  std::vector<TensorView> tensors;
  for (const auto& [key, value] : header.items()) {
    if (key == "__metadata__") continue;
    SAMBAY_TRY(TensorView view, reader.tensor(key, value), "safetensors");
    tensors.push_back(std::move(view));
  }
  SAMBAY_TRY_VOID(reader.check_cover(tensors));
  return tensors;
}

Result<std::map<std::string, std::string>> parse_safetensors_index(std::string_view text,
                                                                   std::string_view name) {
  const auto bad = [&](std::string_view why) {
    return fail(ErrorCode::corrupt, fmt::format("{}: {}", name, why));
  };
  std::string duplicate;
  const json index = parse_strict(text, &duplicate);
  if (!index.is_object()) return bad("not a JSON object");
  if (!duplicate.empty()) return bad(fmt::format("'{}' is there twice", printable(duplicate)));
  const auto map = index.find("weight_map");
  if (map == index.end() || !map->is_object())
    return bad("has no object weight_map (tensor name to shard file)");
  std::map<std::string, std::string> shards;
  for (const auto& [tensor, shard] : map->items()) {
    if (!shard.is_string()) return bad(fmt::format("weight_map['{}'] is not a string", printable(tensor)));
    const auto& file = shard.get_ref<const std::string&>();
    if (file.empty() || file == "." || file == ".." || file.find('/') != std::string::npos ||
        file.find('\0') != std::string::npos)
      return bad(fmt::format("weight_map['{}'] is '{}'; shards are files beside the index", printable(tensor),
                             printable(file)));
    shards[tensor] = file;
  }
  if (shards.empty()) return bad("weight_map names no tensor");
  return shards;
}

Result<SafetensorsWriter> SafetensorsWriter::create(const std::string& path,
                                                    const std::vector<Entry>& entries) {
  SAMBAY_TRY(AtomicFile file, AtomicFile::create(path), "writing safetensors");
  SafetensorsWriter writer(std::move(file));
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  for (const Entry& entry : entries) {
    int64_t count = 1;
    for (int64_t length : entry.shape) count *= length;
    const int64_t bytes = dtype_bytes(entry.type, count);
    header[entry.name] = {{"dtype", entry.type == DType::f32 ? "F32" : "I32"},
                          {"shape", entry.shape},
                          {"data_offsets", {writer.data_bytes_, writer.data_bytes_ + bytes}}};
    writer.data_bytes_ += bytes;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');  // so that the data is aligned
  const uint64_t length = text.size();
  writer.data_start_ = static_cast<int64_t>(8 + length);
  SAMBAY_TRY_VOID(writer.file_.reserve(writer.data_start_ + writer.data_bytes_));
  SAMBAY_TRY_VOID(writer.file_.write(std::as_bytes(std::span(&length, 1))));
  SAMBAY_TRY_VOID(writer.file_.write(std::as_bytes(std::span(text))));
  return writer;
}

Result<void> SafetensorsWriter::write(std::span<const std::byte> bytes) { return file_.write(bytes); }

Result<void> SafetensorsWriter::write_at(int64_t data_offset, std::span<const std::byte> bytes) {
  return file_.write_at(data_start_ + data_offset, bytes);
}

Result<void> SafetensorsWriter::finish() {
  if (appended() != data_bytes_)
    return fail(ErrorCode::internal,
                fmt::format("safetensors writer: {} of {} bytes written", appended(), data_bytes_));
  return file_.commit();
}

}  // namespace sambay
