#include "text/byte_alphabet.h"

#include <array>
#include <cstdint>

#include "base/utf8.h"

namespace sambay {
namespace {

constexpr int kCharacters = 256 + 68;  // code points that the alphabet reaches

struct Alphabet {
  std::array<uint16_t, 256> character{};    // byte -> code point
  std::array<int16_t, kCharacters> byte{};  // code point -> byte, -1 outside of the alphabet

  constexpr Alphabet() {
    for (auto& b : byte) b = -1;
    uint16_t next = 256;
    for (int b = 0; b < 256; b++) {
      const bool itself = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
      character[b] = itself ? static_cast<uint16_t>(b) : next++;
      byte[character[b]] = static_cast<int16_t>(b);
    }
  }
};
constexpr Alphabet kAlphabet;

}  // namespace

std::string to_byte_alphabet(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() + bytes.size() / 2);
  for (unsigned char b : bytes) append_utf8(kAlphabet.character[b], out);
  return out;
}

bool from_byte_alphabet(std::string_view text, std::string& out) {
  for (size_t i = 0; i < text.size(); i++) {
    // All characters are below U+0800: one byte, or a lead byte C2..C5 and one continuation byte.
    unsigned code = static_cast<unsigned char>(text[i]);
    if (code >= 0x80) {
      if (code < 0xC2 || code > 0xC5 || i + 1 == text.size()) return false;
      const unsigned next = static_cast<unsigned char>(text[++i]);
      if ((next & 0xC0) != 0x80) return false;
      code = ((code & 0x1F) << 6) | (next & 0x3F);
    }
    if (code >= static_cast<unsigned>(kCharacters) || kAlphabet.byte[code] < 0) return false;
    out += static_cast<char>(kAlphabet.byte[code]);
  }
  return true;
}

}  // namespace sambay
