#include "server/json_text.h"

#include <fmt/core.h>

#include <cmath>

namespace sambay::server {
namespace {

constexpr int kMaxDepth = 64;

/// Levels of nesting, without looking at whether the text is JSON otherwise.
int depth_of(std::string_view text) {
  int depth = 0, deepest = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); i++) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\')
        i++;
      else if (c == '"')
        in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      deepest = std::max(deepest, ++depth);
    } else if (c == '}' || c == ']') {
      depth--;
    }
  }
  return deepest;
}

}  // namespace

std::string dump(const OrderedJson& value) {
  return value.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

std::optional<ApiError> parse_body(std::string_view text, nlohmann::json& out) {
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos)
    return ApiError{.message = "the body is empty; it must be a JSON object", .code = "invalid_json"};
  if (depth_of(text) > kMaxDepth)
    return ApiError{.message = fmt::format("the body is nested deeper than {} levels", kMaxDepth),
                    .code = "invalid_json"};
  out = nlohmann::json::parse(text, nullptr, false);
  if (out.is_discarded()) return ApiError{.message = "the body is not JSON", .code = "invalid_json"};
  if (!out.is_object())
    return ApiError{.message = fmt::format("the body must be a JSON object, not {}", type_name(out)),
                    .code = "invalid_json"};
  return std::nullopt;
}

std::string_view type_name(const nlohmann::json& value) {
  using Type = nlohmann::json::value_t;
  switch (value.type()) {
    case Type::null: return "null";
    case Type::object: return "an object";
    case Type::array: return "an array";
    case Type::string: return "a string";
    case Type::boolean: return "a boolean";
    case Type::number_integer:
    case Type::number_unsigned: return "a whole number";
    case Type::number_float: return "a number";
    default: return "something else";
  }
}

const nlohmann::json* FieldReader::find(const char* name) const {
  const auto found = object_.find(name);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

bool FieldReader::read(const char* name, bool& out) {
  const nlohmann::json* value = find(name);
  if (!value) return false;
  if (!value->is_boolean()) return fail(invalid_type(path(name), "a boolean", type_name(*value))), false;
  out = value->get<bool>();
  return true;
}

bool FieldReader::read(const char* name, std::string& out) {
  const nlohmann::json* value = find(name);
  if (!value) return false;
  if (!value->is_string()) return fail(invalid_type(path(name), "a string", type_name(*value))), false;
  out = value->get<std::string>();
  return true;
}

bool FieldReader::read(const char* name, int64_t& out, int64_t low, int64_t high) {
  const nlohmann::json* value = find(name);
  if (!value) return false;
  if (!value->is_number_integer())
    return fail(invalid_type(path(name), "a whole number", type_name(*value))), false;
  const bool too_large =
      value->is_number_unsigned() && value->get<uint64_t>() > static_cast<uint64_t>(INT64_MAX);
  const int64_t number = too_large ? INT64_MAX : value->get<int64_t>();
  if (too_large || number < low || number > high)
    return fail(invalid_value(path(name), fmt::format("must be {} to {}", low, high))), false;
  out = number;
  return true;
}

bool FieldReader::read(const char* name, int& out, int low, int high) {
  int64_t wide = 0;
  if (!read(name, wide, int64_t{low}, int64_t{high})) return false;
  out = static_cast<int>(wide);
  return true;
}

bool FieldReader::read(const char* name, float& out, float low, float high) {
  const nlohmann::json* value = find(name);
  if (!value) return false;
  if (!value->is_number()) return fail(invalid_type(path(name), "a number", type_name(*value))), false;
  const double number = value->get<double>();
  if (!std::isfinite(number) || number < static_cast<double>(low) || number > static_cast<double>(high))
    return fail(invalid_value(path(name), fmt::format("must be {} to {}", low, high))), false;
  out = static_cast<float>(number);
  return true;
}

}  // namespace sambay::server
