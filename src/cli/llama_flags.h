// llama-server's command line, as far as this program can follow it.
#pragma once

#include <string>
#include <vector>

#include "sambay/error.h"

namespace sambay {

/// Flags of several letters behind one dash (-np, -ngl) become their long names, which CLI11 can read; flags
/// without meaning here are taken out, each with a line in `notices`. Other arguments stay as they are.
/// Errors: invalid_argument for flags that ask for what is not there, saying what there is instead.
Result<std::vector<std::string>> translate_llama_flags(const std::vector<std::string>& arguments,
                                                       std::vector<std::string>& notices);

}  // namespace sambay
