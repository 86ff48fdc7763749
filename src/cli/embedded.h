// The bytes of the model, and of the problems it is measured with, that were linked into this program; empty
// for sambay-bare.
#pragma once

#include <cstddef>
#include <span>

namespace sambay {
std::span<const std::byte> model_in_program();
std::span<const std::byte> problems_in_program();
}  // namespace sambay
