#include "base/utf8.h"

#include <cstring>

#include "base/check.h"

namespace sambay {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

/// What a lead byte asks for: total length (0: not a lead byte) and the range of the second byte.
struct Lead {
  int length;
  unsigned char second_min, second_max;
};

Lead lead_of(unsigned char byte) {
  if (byte < 0x80) return {1, 0, 0};
  if (byte < 0xC2) return {0, 0, 0};  // continuation bytes; C0 and C1 only begin overlong forms
  if (byte < 0xE0) return {2, 0x80, 0xBF};
  if (byte == 0xE0) return {3, 0xA0, 0xBF};  // below is overlong
  if (byte == 0xED) return {3, 0x80, 0x9F};  // above are surrogates
  if (byte < 0xF0) return {3, 0x80, 0xBF};
  if (byte == 0xF0) return {4, 0x90, 0xBF};  // below is overlong
  if (byte < 0xF4) return {4, 0x80, 0xBF};
  if (byte == 0xF4) return {4, 0x80, 0x8F};  // above is beyond U+10FFFF
  return {0, 0, 0};
}

}  // namespace

Utf8Step utf8_step(std::string_view bytes) {
  SAMBAY_CHECK(!bytes.empty(), "");
  const auto first = static_cast<unsigned char>(bytes[0]);
  const Lead lead = lead_of(first);
  if (lead.length == 0) return {Utf8Step::invalid, 1, 0};
  if (lead.length == 1) return {Utf8Step::character, 1, first};
  char32_t code = first & (0x7F >> lead.length);
  for (int i = 1; i < lead.length; i++) {
    if (static_cast<size_t>(i) == bytes.size()) return {Utf8Step::incomplete, i, 0};
    const auto byte = static_cast<unsigned char>(bytes[i]);
    const unsigned char low = i == 1 ? lead.second_min : 0x80;
    const unsigned char high = i == 1 ? lead.second_max : 0xBF;
    if (byte < low || byte > high) return {Utf8Step::invalid, i, 0};
    code = (code << 6) | (byte & 0x3F);
  }
  return {Utf8Step::character, lead.length, code};
}

size_t valid_utf8_prefix(std::string_view bytes) {
  size_t at = 0;
  while (at < bytes.size()) {
    uint64_t eight;
    if (at + sizeof eight <= bytes.size()) {  // ASCII goes eight bytes at a time
      std::memcpy(&eight, bytes.data() + at, sizeof eight);
      if ((eight & 0x8080808080808080u) == 0) {
        at += sizeof eight;
        continue;
      }
    }
    const Utf8Step step = utf8_step(bytes.substr(at));
    if (step.kind != Utf8Step::character) break;
    at += static_cast<size_t>(step.length);
  }
  return at;
}

void append_utf8(char32_t code, std::string& out) {
  const auto tail = [code](int shift) { return static_cast<char>(0x80 | ((code >> shift) & 0x3F)); };
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | (code >> 6));
    out += tail(0);
  } else if (code < 0x10000) {
    out += static_cast<char>(0xE0 | (code >> 12));
    out += tail(6);
    out += tail(0);
  } else {
    out += static_cast<char>(0xF0 | (code >> 18));
    out += tail(12);
    out += tail(6);
    out += tail(0);
  }
}

size_t append_lossy_utf8(std::string_view bytes, std::string& out) {
  while (!bytes.empty()) {
    const size_t valid = valid_utf8_prefix(bytes);
    out += bytes.substr(0, valid);
    bytes.remove_prefix(valid);
    if (bytes.empty()) break;
    const Utf8Step step = utf8_step(bytes);
    if (step.kind == Utf8Step::incomplete) return bytes.size();
    out += kReplacement;
    bytes.remove_prefix(static_cast<size_t>(step.length));
  }
  return 0;
}

bool is_unicode_white_space(char32_t c) {
  return (c >= 9 && c <= 13) || c == ' ' || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

size_t leading_white_space(std::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    const Utf8Step step = utf8_step(text.substr(at));
    if (step.kind != Utf8Step::character || !is_unicode_white_space(step.code_point)) break;
    at += static_cast<size_t>(step.length);
  }
  return at;
}

size_t trailing_white_space(std::string_view text) {
  size_t end = text.size();
  while (end > 0) {
    size_t start = end - 1;
    while (start > 0 && end - start < 4 && (static_cast<unsigned char>(text[start]) & 0xC0) == 0x80) start--;
    const Utf8Step step = utf8_step(text.substr(start, end - start));
    if (step.kind != Utf8Step::character || start + static_cast<size_t>(step.length) != end ||
        !is_unicode_white_space(step.code_point))
      break;
    end = start;
  }
  return text.size() - end;
}

}  // namespace sambay
