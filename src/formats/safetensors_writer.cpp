#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "formats/safetensors.h"

namespace sambay {
namespace {

const char* type_name(DType type) {
  switch (type) {
    case DType::f32: return "F32";
    case DType::f16: return "F16";
    case DType::bf16: return "BF16";
    case DType::i32: return "I32";
    default: return nullptr;  // the format has no block types
  }
}

}  // namespace

Result<SafetensorsWriter> SafetensorsWriter::create(const std::string& path,
                                                    const std::vector<Entry>& entries) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  int64_t end = 0;
  for (const Entry& entry : entries) {
    const char* type = type_name(entry.type);
    const int64_t begin = end;
    const Result<int64_t> bytes = checked_tensor_bytes(entry.type, entry.shape);
    if (type == nullptr || !bytes || __builtin_add_overflow(begin, *bytes, &end) ||
        header.contains(entry.name))
      return fail(ErrorCode::internal,
                  fmt::format("{}: tensor '{}' of {} and shape {} cannot be declared", path, entry.name,
                              dtype_info(entry.type).name, shape_text(entry.shape)));
    header[entry.name] = {{"dtype", type}, {"shape", entry.shape}, {"data_offsets", {begin, end}}};
  }
  std::string text = header.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  text.resize((text.size() + 7) / 8 * 8, ' ');  // so that the data are aligned for whoever maps them

  SAMBAY_TRY(AtomicFile file, AtomicFile::create(path), "writing safetensors");
  SafetensorsWriter writer(std::move(file));
  const uint64_t length = text.size();
  writer.data_start_ = static_cast<int64_t>(8 + text.size());
  writer.data_bytes_ = end;
  SAMBAY_TRY_VOID(writer.file_.reserve(writer.data_start_ + end));
  SAMBAY_TRY_VOID(writer.file_.write(std::as_bytes(std::span(&length, 1))));
  SAMBAY_TRY_VOID(writer.file_.write(std::as_bytes(std::span(text))));
  return writer;
}

Result<void> SafetensorsWriter::write(std::span<const std::byte> bytes) { return file_.write(bytes); }

Result<void> SafetensorsWriter::write_at(int64_t data_offset, std::span<const std::byte> bytes) {
  if (data_offset < 0)
    return fail(ErrorCode::internal, fmt::format("safetensors writer: offset {}", data_offset));
  return file_.write_at(data_start_ + data_offset, bytes);
}

Result<void> SafetensorsWriter::finish() {
  if (appended() != data_bytes_)
    return fail(ErrorCode::internal,
                fmt::format("safetensors writer: {} of {} bytes written", appended(), data_bytes_));
  return file_.commit();
}

}  // namespace sambay
