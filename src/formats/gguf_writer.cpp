#include "formats/gguf_writer.h"

#include <fmt/core.h>

#include <cstring>
#include <type_traits>
#include <variant>

#include "base/check.h"

namespace sambay {
namespace {

int64_t padded(int64_t bytes) {
  return (bytes + kGgufDefaultAlignment - 1) / kGgufDefaultAlignment * kGgufDefaultAlignment;
}

/// Little-endian output; every machine we run on is little-endian, so values are copied as they lie in
/// memory.
class Output {
 public:
  explicit Output(std::vector<std::byte>& bytes) : bytes_(bytes) {}

  template <class T>
  void number(T value) {
    append(&value, sizeof value);
  }
  void type(GgufType t) { number(static_cast<uint32_t>(t)); }
  void string(std::string_view text) {
    number(uint64_t{text.size()});
    append(text.data(), text.size());
  }
  template <class T>
  void array(const std::vector<T>& values, GgufType element) {
    type(GgufType::array);
    type(element);
    number(uint64_t{values.size()});
    for (const T& value : values) {
      if constexpr (std::is_same_v<T, std::string>)
        string(value);
      else
        number(value);
    }
  }
  void value(const GgufValue& v) {
    std::visit(
        [this](const auto& x) {
          using T = std::decay_t<decltype(x)>;
          if constexpr (std::is_same_v<T, uint32_t>) type(GgufType::u32), number(x);
          if constexpr (std::is_same_v<T, int32_t>) type(GgufType::i32), number(x);
          if constexpr (std::is_same_v<T, float>) type(GgufType::f32), number(x);
          if constexpr (std::is_same_v<T, bool>) type(GgufType::boolean), number(uint8_t{x});
          if constexpr (std::is_same_v<T, uint64_t>) type(GgufType::u64), number(x);
          if constexpr (std::is_same_v<T, std::string>) type(GgufType::string), string(x);
          if constexpr (std::is_same_v<T, std::vector<std::string>>) array(x, GgufType::string);
          if constexpr (std::is_same_v<T, std::vector<int32_t>>) array(x, GgufType::i32);
          if constexpr (std::is_same_v<T, std::vector<uint32_t>>) array(x, GgufType::u32);
          if constexpr (std::is_same_v<T, std::vector<float>>) array(x, GgufType::f32);
        },
        v);
  }

 private:
  void append(const void* from, size_t size) {
    const size_t end = bytes_.size();
    bytes_.resize(end + size);
    if (size > 0) std::memcpy(bytes_.data() + end, from, size);
  }
  std::vector<std::byte>& bytes_;
};

}  // namespace

GgufHeader make_gguf_header(const std::vector<GgufEntry>& metadata, const std::vector<GgufTensor>& tensors) {
  GgufHeader header;
  Output out(header.bytes);
  out.number(kGgufMagic);
  out.number(uint32_t{3});
  out.number(uint64_t{tensors.size()});
  out.number(uint64_t{metadata.size()});
  for (const GgufEntry& entry : metadata) {
    out.string(entry.key);
    out.value(entry.value);
  }
  int64_t offset = 0;
  for (const GgufTensor& tensor : tensors) {
    out.string(tensor.name);
    out.number(static_cast<uint32_t>(tensor.shape.size()));
    int64_t count = 1;
    for (size_t i = tensor.shape.size(); i-- > 0;) {
      out.number(static_cast<uint64_t>(tensor.shape[i]));
      count *= tensor.shape[i];
    }
    out.number(dtype_info(tensor.type).gguf_id);
    out.number(static_cast<uint64_t>(offset));
    header.tensor_offsets.push_back(offset);
    header.tensor_bytes.push_back(dtype_bytes(tensor.type, count));
    SAMBAY_CHECK(
        !tensor.shape.empty() && count > 0 && tensor.shape.back() % dtype_info(tensor.type).block_elems == 0,
        tensor.name);
    offset += padded(header.tensor_bytes.back());
  }
  header.bytes.resize(static_cast<size_t>(padded(static_cast<int64_t>(header.bytes.size()))));
  for (int64_t& tensor_offset : header.tensor_offsets)
    tensor_offset += static_cast<int64_t>(header.bytes.size());
  header.file_bytes = static_cast<int64_t>(header.bytes.size()) + offset;
  return header;
}

Result<GgufWriter> GgufWriter::create(const std::string& path, const std::vector<GgufEntry>& metadata,
                                      const std::vector<GgufTensor>& tensors) {
  SAMBAY_TRY(AtomicFile file, AtomicFile::create(path), "writing GGUF");
  GgufHeader header = make_gguf_header(metadata, tensors);
  GgufWriter writer(std::move(file));
  SAMBAY_TRY_VOID(writer.file_.reserve(header.file_bytes));
  SAMBAY_TRY_VOID(writer.file_.write(header.bytes));
  writer.tensor_bytes_ = std::move(header.tensor_bytes);
  writer.file_bytes_ = header.file_bytes;
  return writer;
}

Result<void> GgufWriter::write(std::span<const std::byte> bytes) {
  SAMBAY_CHECK(current_ < tensor_bytes_.size(), "more tensors written than declared");
  const int64_t left = tensor_bytes_[current_] - written_;
  SAMBAY_CHECK(static_cast<int64_t>(bytes.size()) <= left,
               fmt::format("{} bytes, {} left", bytes.size(), left));
  SAMBAY_TRY_VOID(file_.write(bytes));
  written_ += static_cast<int64_t>(bytes.size());
  if (written_ < tensor_bytes_[current_]) return {};
  const std::byte zeros[kGgufDefaultAlignment] = {};
  const auto padding = static_cast<size_t>(padded(written_) - written_);
  current_++;
  written_ = 0;
  return padding > 0 ? file_.write({zeros, padding}) : Result<void>{};
}

Result<void> GgufWriter::commit() {
  if (current_ != tensor_bytes_.size() || file_.size() != file_bytes_)
    return fail(ErrorCode::internal, fmt::format("GGUF writer: {} of {} tensors, {} of {} bytes written",
                                                 current_, tensor_bytes_.size(), file_.size(), file_bytes_));
  return file_.commit();
}

}  // namespace sambay
