// A Hugging Face folder with a tiny random SambaY, to be damaged by tests.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "base/half.h"
#include "model/tensor_table.h"
#include "support/random.h"
#include "support/temp_folder.h"

namespace sambay::test {

/// config.json as field and raw JSON text, in order.
class TinyConfig {
 public:
  /// `value` is JSON: "12", "\"silu\"", "[1, null]".
  TinyConfig& set(const std::string& field, const std::string& value) {
    remove(field);
    fields_.emplace_back(field, value);
    return *this;
  }
  TinyConfig& remove(const std::string& field) {
    std::erase_if(fields_, [&](const auto& f) { return f.first == field; });
    return *this;
  }
  std::string json() const {
    std::string text = "{";
    for (const auto& [field, value] : fields_)
      text += (text.size() > 1 ? ", \"" : "\"") + field + "\": " + value;
    return text + "}";
  }

 private:
  std::vector<std::pair<std::string, std::string>> fields_ = {{"model_type", "\"phi4flash\""},
                                                              {"vocab_size", "40"},
                                                              {"hidden_size", "32"},
                                                              {"num_hidden_layers", "8"},
                                                              {"intermediate_size", "48"},
                                                              {"num_attention_heads", "4"},
                                                              {"num_key_value_heads", "2"},
                                                              {"max_position_embeddings", "128"},
                                                              {"sliding_window", "4"},
                                                              {"layer_norm_eps", "1e-05"},
                                                              {"mamba_d_state", "4"},
                                                              {"mamba_d_conv", "3"},
                                                              {"mamba_expand", "2"}};
};

struct TinyTensor {
  std::string name;
  std::string type;  // as safetensors names it: F32, F16, BF16, ...
  std::vector<int64_t> shape;
  std::string bytes;

  void set(size_t index, float value) {
    if (type == "F32") std::memcpy(bytes.data() + index * 4, &value, 4);
    const uint16_t half = type == "F16" ? f32_to_f16(value) : f32_to_bf16(value);
    if (type != "F32") std::memcpy(bytes.data() + index * 2, &half, 2);
  }
};

class TinyCheckpoint {
 public:
  explicit TinyCheckpoint(const std::string& type = "F32", uint64_t seed = 1, TinyConfig tiny_config = {})
      : config(std::move(tiny_config)) {
    const auto parsed = parse_sambay_config(config.json(), "tiny");
    EXPECT_TRUE(parsed.has_value());
    Random random(seed);
    for (const TensorSpec& spec : sambay_tensors(*parsed)) add(spec.hf_name, type, spec.hf_shape, random);
  }

  TinyTensor& add(const std::string& name, const std::string& type, const std::vector<int64_t>& shape,
                  Random& random) {
    size_t count = 1;
    for (int64_t d : shape) count *= static_cast<size_t>(d);
    TinyTensor& tensor = tensors.emplace_back(
        TinyTensor{name, type, shape, std::string(count * (type == "F32" ? 4 : 2), '\0')});
    for (size_t i = 0; i < count; i++) tensor.set(i, random.normal() * 0.1f);
    return tensor;
  }
  TinyTensor& tensor(const std::string& name) {
    for (TinyTensor& t : tensors)
      if (t.name == name) return t;
    ADD_FAILURE() << name;
    return tensors.front();
  }
  void remove(const std::string& name) {
    std::erase_if(tensors, [&](const TinyTensor& t) { return t.name == name; });
  }

  void write(const TempFolder& folder) const {
    folder.write("config.json", config.json());
    folder.write("model.safetensors", safetensors());
  }

  std::string safetensors() const {
    std::string header = "{", data;
    for (const TinyTensor& t : tensors) {
      std::string shape;
      for (int64_t d : t.shape) shape += (shape.empty() ? "" : ",") + std::to_string(d);
      header += (header.size() > 1 ? ",\"" : "\"") + t.name + "\":{\"dtype\":\"" + t.type + "\",\"shape\":[" +
                shape + "],\"data_offsets\":[" + std::to_string(data.size()) + "," +
                std::to_string(data.size() + t.bytes.size()) + "]}";
      data += t.bytes;
    }
    header += "}";
    const uint64_t length = header.size();
    return std::string(reinterpret_cast<const char*>(&length), 8) + header + data;
  }

  TinyConfig config;
  std::vector<TinyTensor> tensors;
};

}  // namespace sambay::test
