// Sizes as people write them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "sambay/error.h"

namespace sambay {

/// "3.5G", "800M", "4GiB", "2GB", "1073741824": K, M, G and T (also KiB, ...) are powers of 1,024, KB, MB, GB
/// and TB powers of 1,000, whatever their case. At least 1 byte, below 2^60. Errors: invalid_argument with
/// what would be right.
Result<int64_t> parse_byte_size(std::string_view text);

/// "2.31 GiB", "17.5 MiB", "640 B": three digits or so.
std::string format_byte_size(int64_t bytes);

}  // namespace sambay
