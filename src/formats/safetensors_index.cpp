#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "base/printable.h"
#include "formats/safetensors.h"

namespace sambay {
namespace {

constexpr int kMaxDepth = 64;  // of what stands beside weight_map, which nobody reads

/// Keeps weight_map, skips everything else. Events instead of a tree: a name that comes twice is seen.
class IndexReader final : public nlohmann::json_sax<nlohmann::json> {
 public:
  std::map<std::string, std::string> shards;
  std::optional<Error> error;
  bool found = false;

  bool null() override { return scalar(); }
  bool boolean(bool) override { return scalar(); }
  bool number_integer(number_integer_t) override { return scalar(); }
  bool number_unsigned(number_unsigned_t) override { return scalar(); }
  bool number_float(number_float_t, const string_t&) override { return scalar(); }
  bool binary(binary_t&) override { return scalar(); }

  bool string(string_t& value) override {
    if (!in_map()) return scalar();
    if (value.empty() || value == "." || value == ".." || value.size() > 255 ||
        value.find_first_of(std::string_view("/\\\0", 3)) != std::string::npos)
      return refuse(fmt::format("weight_map: '{}': '{}' is not the name of a file in the same folder",
                                printable(key_), printable(value)));
    files_.insert(value);
    if (files_.size() > kSafetensorsMaxShards)
      return refuse(fmt::format("weight_map: more than {} different shards", kSafetensorsMaxShards),
                    ErrorCode::unsupported);
    if (shards.size() == kSafetensorsMaxTensors)
      return refuse(fmt::format("weight_map: more than {} tensors", kSafetensorsMaxTensors),
                    ErrorCode::unsupported);
    if (!shards.emplace(key_, std::move(value)).second)
      return refuse(fmt::format("weight_map: '{}' stands there twice", printable(key_)));
    return true;
  }

  bool key(string_t& value) override {
    if (in_map() && value.size() > kSafetensorsMaxName)
      return refuse(fmt::format("weight_map: a tensor name of {} bytes; at most {} are read", value.size(),
                                kSafetensorsMaxName),
                    ErrorCode::unsupported);
    key_ = std::move(value);
    return true;
  }

  bool start_object(size_t) override {
    if (at_map()) {
      if (found) return refuse("weight_map stands there twice");
      found = map_open_ = true;
    } else if (in_map()) {
      return scalar();
    }
    return open();
  }
  bool end_object() override { return close(); }
  bool start_array(size_t) override { return depth_ == 0 || at_map() || in_map() ? scalar() : open(); }
  bool end_array() override { return close(); }

  bool parse_error(size_t position, const std::string&, const nlohmann::detail::exception&) override {
    return refuse(fmt::format("not valid JSON at byte {}", position));
  }

 private:
  bool at_map() const { return depth_ == 1 && key_ == "weight_map"; }
  bool in_map() const { return map_open_ && depth_ == 2; }

  /// A value that is no object and no shard name.
  bool scalar() {
    if (depth_ == 0) return refuse("an object with a weight_map is needed");
    if (in_map()) return refuse(fmt::format("weight_map: '{}': a file name is needed", printable(key_)));
    if (at_map()) return refuse("weight_map: an object is needed");
    return true;
  }
  bool open() {
    return ++depth_ <= kMaxDepth || refuse(fmt::format("nested deeper than {} levels", kMaxDepth));
  }
  bool close() {
    if (--depth_ == 1) map_open_ = false;
    return true;
  }
  bool refuse(std::string message, ErrorCode code = ErrorCode::corrupt) {
    error = Error{code, std::move(message)};
    return false;
  }

  int depth_ = 0;
  bool map_open_ = false;
  std::string key_;
  std::set<std::string> files_;
};

Result<std::map<std::string, std::string>> parse(std::string_view json) {
  // The JSON library takes a NUL for the end of the text.
  if (const size_t nul = json.find('\0'); nul != std::string_view::npos)
    return fail(ErrorCode::corrupt, fmt::format("a zero byte at byte {}", nul));
  IndexReader reader;
  if (!nlohmann::json::sax_parse(json, &reader)) return tl::unexpected(std::move(*reader.error));
  if (!reader.found || reader.shards.empty())
    return fail(ErrorCode::corrupt, "a weight_map that names a shard for each tensor is needed");
  return std::move(reader.shards);
}

}  // namespace

Result<std::map<std::string, std::string>> parse_safetensors_index(std::string_view json,
                                                                   std::string_view name) {
  SAMBAY_TRY(auto shards, parse(json), name);
  return shards;
}

}  // namespace sambay
