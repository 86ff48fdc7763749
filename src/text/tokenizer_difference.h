// Whether two models read the same text as the same tokens.
#pragma once

#include <string>

#include "text/tokenizer_data.h"

namespace sambay {

/// The first thing in which two tokenizers differ, as "token 17 is \"ab\" here and \"ac\" there"; "" when
/// they give the same ids for every text and the same bytes for every id. Padding, stop tokens and chat
/// template do not count.
std::string tokenizer_difference(const TokenizerData& here, const TokenizerData& there);

}  // namespace sambay
