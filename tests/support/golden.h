// Reading the golden folders.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/mapped_file.h"
#include "formats/safetensors.h"

namespace sambay::test {

inline std::string golden_path(const std::string& name) { return SAMBAY_TEST_DATA "/golden/" + name; }

/// All arrays of a safetensors file by name.
class Arrays {
 public:
  explicit Arrays(const std::string& path) : file_(*MappedFile::open(path)) {
    const std::vector<TensorView> views = *parse_safetensors(file_.bytes(), path);
    for (const TensorView& view : views) views_[view.name] = view;
  }
  bool has(const std::string& name) const { return views_.count(name) > 0; }
  std::vector<float> floats(const std::string& name) const { return get<float>(name, DType::f32); }
  std::vector<int32_t> ints(const std::string& name) const { return get<int32_t>(name, DType::i32); }
  const std::vector<int64_t>& shape(const std::string& name) const { return views_.at(name).shape; }
  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const auto& [name, view] : views_) names.push_back(name);
    return names;
  }

 private:
  template <class T>
  std::vector<T> get(const std::string& name, DType type) const {
    const TensorView& view = views_.at(name);
    EXPECT_EQ(view.type, type) << name;
    std::vector<T> values(view.bytes.size() / sizeof(T));
    std::memcpy(values.data(), view.bytes.data(), view.bytes.size());
    return values;
  }
  MappedFile file_;
  std::map<std::string, TensorView> views_;
};

}  // namespace sambay::test
