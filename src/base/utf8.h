// UTF-8 as the Unicode Standard defines it (table 3-7): no surrogates, no overlong forms, nothing above
// U+10FFFF.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace sambay {

/// What stands at the start of some bytes.
struct Utf8Step {
  enum Kind {
    character,   ///< one whole character of `length` bytes, `code_point`
    invalid,     ///< `length` bytes (a maximal subpart, at least 1) that can never become a character
    incomplete,  ///< all the bytes given are the proper prefix of a character
  };
  Kind kind;
  int length;  ///< 1 to 4
  char32_t code_point;
};

/// Looks at the first bytes of `bytes`, which must not be empty.
Utf8Step utf8_step(std::string_view bytes);

/// Length of the longest prefix that is whole valid characters.
size_t valid_utf8_prefix(std::string_view bytes);

/// Appends one code point; it must be a scalar value (not a surrogate, at most U+10FFFF).
void append_utf8(char32_t code_point, std::string& out);

/// Appends `bytes` with every maximal subpart of an ill-formed sequence replaced by U+FFFD (Unicode 15,
/// section 3.9, "U+FFFD Substitution of Maximal Subparts"). Returns how many bytes at the end were neither
/// appended nor replaced because they may still become a character: 0 to 3.
size_t append_lossy_utf8(std::string_view bytes, std::string& out);

/// The Unicode property White_Space, which is what \s means in a tokenizer's pattern.
bool is_unicode_white_space(char32_t code_point);
/// How many bytes of white space `text` begins or ends with.
size_t leading_white_space(std::string_view text);
size_t trailing_white_space(std::string_view text);

}  // namespace sambay
