// What a list of tools must be before it is shown to a model.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "sambay/text.h"

namespace sambay {
namespace {

constexpr size_t kMaxToolsBytes = size_t{16} << 20;

tl::unexpected<Error> wrong(std::string message) {
  return fail(ErrorCode::invalid_argument, std::move(message));
}

/// Where JSON stops being JSON.
class Fault : public nlohmann::json_sax<nlohmann::json> {
 public:
  std::string what;
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return true; }
  bool key(string_t&) override { return true; }
  bool end_object() override { return true; }
  bool start_array(std::size_t) override { return true; }
  bool end_array() override { return true; }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
    what = fmt::format("not JSON: wrong at byte {}", position);
    return false;
  }
};

}  // namespace

Result<void> check_tools(std::string_view text) {
  if (text.size() > kMaxToolsBytes)
    return wrong(fmt::format("{} bytes; at most {}", text.size(), kMaxToolsBytes));
  if (Fault fault; !nlohmann::json::sax_parse(text, &fault)) return wrong(std::move(fault.what));
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_array())
    return wrong(fmt::format("a JSON {}; must be an array of objects, one for each tool", json.type_name()));
  if (json.empty()) return wrong("an empty array; leave the tools out when there are none");
  for (size_t i = 0; i < json.size(); i++)
    if (!json[i].is_object())
      return wrong(fmt::format("element {} is a JSON {}; must be an object that describes a tool", i,
                               json[i].type_name()));
  return {};
}

}  // namespace sambay
