#include "cli/embedded.h"

// From the generated assembler file (see CMakeLists.txt).
extern "C" const std::byte sambay_embedded_begin[], sambay_embedded_end[];

namespace sambay {
std::span<const std::byte> model_in_program() { return {sambay_embedded_begin, sambay_embedded_end}; }
}  // namespace sambay
