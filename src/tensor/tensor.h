// Non-owning views on rows and weights, and one owning buffer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "sambay/error.h"
#include "tensor/dtype.h"

namespace sambay {

/// A row-major matrix view. stride is in elements and at least cols.
template <class T>
struct Rows {
  T* data = nullptr;
  int64_t rows = 0, cols = 0, stride = 0;

  Rows() = default;
  Rows(T* d, int64_t r, int64_t c) : data(d), rows(r), cols(c), stride(c) {}
  Rows(T* d, int64_t r, int64_t c, int64_t s) : data(d), rows(r), cols(c), stride(s) {}
  operator Rows<const T>() const { return {data, rows, cols, stride}; }

  T* row(int64_t i) const { return data + i * stride; }
  Rows columns(int64_t first, int64_t count) const { return {data + first, rows, count, stride}; }
  Rows first_rows(int64_t count) const { return {data, count, cols, stride}; }
};

/// A matrix [rows, cols] = [out, in]: as stored, rows one after another, each a whole number of blocks; or as
/// Ops::place() laid it out.
struct Weight {
  DType type = DType::f32;
  const std::byte* data = nullptr;
  int64_t rows = 0, cols = 0;
  bool in_panels = false;  ///< tensor/panel_layout.h; row() and row_range() are for rows as stored

  int64_t row_bytes() const { return dtype_bytes(type, cols); }
  const std::byte* row(int64_t i) const { return data + i * row_bytes(); }
  Weight row_range(int64_t first, int64_t count) const { return {type, row(first), count, cols}; }
};

/// y = W x + b; bias [rows] or null.
struct Linear {
  Weight weight;
  const float* bias = nullptr;
};

/// Owning, zero-filled, 64-byte aligned, page-backed when large (untouched pages cost no memory). Move-only.
class Buffer {
 public:
  Buffer() = default;
  /// Errors: out_of_memory with the number of bytes.
  static Result<Buffer> allocate(int64_t bytes);
  Buffer(Buffer&& o) noexcept : data_(std::exchange(o.data_, nullptr)), bytes_(std::exchange(o.bytes_, 0)) {}
  Buffer& operator=(Buffer&& o) noexcept {
    std::swap(data_, o.data_), std::swap(bytes_, o.bytes_);
    return *this;
  }
  ~Buffer();

  std::byte* data() const { return data_; }
  float* floats() const { return reinterpret_cast<float*>(data_); }
  int64_t bytes() const { return bytes_; }

 private:
  std::byte* data_ = nullptr;
  int64_t bytes_ = 0;
};

}  // namespace sambay
