// GPT-2's byte alphabet: token texts in files are written with 256 printable characters, one per byte.
#pragma once

#include <string>
#include <string_view>

namespace sambay {

/// Bytes 33..126, 161..172 and 174..255 stand for themselves; the other 68 are U+0100 and up, in order. Never
/// a space or a control character, so merges can be written as "left right".
std::string to_byte_alphabet(std::string_view bytes);

/// Appends the bytes that `text` stands for. False when it holds anything else than characters of the
/// alphabet (then `out` is left with some prefix).
bool from_byte_alphabet(std::string_view text, std::string& out);

}  // namespace sambay
