// Brings a Jinja template into one spelling, so that templates that render alike compare equal.
#pragma once

#include <string>
#include <string_view>

namespace sambay {

/// Applies what rendering does to white space with Hugging Face's settings (trim_blocks, lstrip_blocks, "{%-"
/// and
/// "-%}", the one newline at the end), drops comments, and writes what is inside {{ }} and {% %} with one
/// space at each end, single spaces between words, and single quotes. Text outside stays as it is. Anything
/// that it does not understand (a tag that never ends) is copied.
std::string canonical_jinja(std::string_view text);

}  // namespace sambay
