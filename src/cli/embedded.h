// The bytes of the model that was linked into this program; empty for sambay-bare.
#pragma once

#include <cstddef>
#include <span>

namespace sambay {
std::span<const std::byte> model_in_program();
}
