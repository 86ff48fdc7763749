#include "cli/embedded.h"

// From the generated assembler file (see CMakeLists.txt).
extern "C" const std::byte sambay_embedded_begin[], sambay_embedded_end[], sambay_problems_begin[],
    sambay_problems_end[];

namespace sambay {
std::span<const std::byte> model_in_program() { return {sambay_embedded_begin, sambay_embedded_end}; }
std::span<const std::byte> problems_in_program() { return {sambay_problems_begin, sambay_problems_end}; }
}  // namespace sambay
