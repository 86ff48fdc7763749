// llama-server's command line, as far as this program can follow it.
#pragma once

#include <string>
#include <vector>

namespace sambay {

/// Flags of several letters behind one dash (-np, -ngl) become their long names, which CLI11 can read; flags
/// without meaning here are taken out, each with a line in `notices`. Other arguments stay as they are.
std::vector<std::string> translate_llama_flags(const std::vector<std::string>& arguments,
                                               std::vector<std::string>& notices);

}  // namespace sambay
