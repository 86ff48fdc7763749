// JSON in and out. For .cpp files: nlohmann/json is heavy.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "server/api_error.h"

namespace sambay::server {

using OrderedJson = nlohmann::ordered_json;

/// Bytes that are not UTF-8 become U+FFFD instead of an exception.
std::string dump(const OrderedJson& value);

/// A request's body: a JSON object of at most 64 levels. Errors: 400.
std::optional<ApiError> parse_body(std::string_view text, nlohmann::json& out);

/// "a string", "null", ... for messages.
std::string_view type_name(const nlohmann::json& value);

/// Reads members of one object into variables. null means absent. The first fault is kept, the rest is read
/// on; the caller looks at `fault` once, at the end.
class FieldReader {
 public:
  FieldReader(const nlohmann::json& object, std::string prefix, std::optional<ApiError>& fault)
      : object_(object), prefix_(std::move(prefix)), fault_(fault) {}

  /// The member, or nullptr when absent or null.
  const nlohmann::json* find(const char* name) const;
  std::string path(const char* name) const { return prefix_ + name; }

  // Each returns whether the member was there and good; otherwise `out` stays as it is.
  bool read(const char* name, bool& out);
  bool read(const char* name, std::string& out);
  bool read(const char* name, int& out, int low, int high);
  bool read(const char* name, int64_t& out, int64_t low, int64_t high);
  bool read(const char* name, float& out, float low, float high);

  void fail(ApiError error) {
    if (!fault_) fault_ = std::move(error);
  }
  bool good() const { return !fault_; }

 private:
  const nlohmann::json& object_;
  const std::string prefix_;
  std::optional<ApiError>& fault_;
};

}  // namespace sambay::server
