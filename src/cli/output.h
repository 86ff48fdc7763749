// Standard output, with its errors.
#pragma once

#include <string_view>

#include "sambay/error.h"

namespace sambay {

/// Writes everything at once, past stdio's buffer, which is flushed first. A signal in between changes
/// nothing. Errors: io, with the system's reason.
Result<void> write_stdout(std::string_view text);

}  // namespace sambay
