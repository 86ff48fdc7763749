// Text out of a file, made fit for an error message.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace sambay {

/// One line of ASCII whatever the bytes are: control and non-ASCII bytes become \xNN, and what is longer than
/// `limit` bytes is cut and ends in "...". Names in a damaged file may hold anything, terminal escapes too.
std::string printable(std::string_view text, size_t limit = 80);

}  // namespace sambay
