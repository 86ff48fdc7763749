// Files of token ids, as `logits` and `detokenize` take them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ops/batch.h"
#include "sambay/error.h"

namespace sambay {

/// A JSON array of integers, or one integer per line (blank lines are skipped). `name` goes in front of
/// messages. Errors: corrupt (neither form, with the line or element), invalid_argument (an id that is
/// negative or not below `vocab`), corrupt when there is no id at all. At most 2^24 ids.
Result<std::vector<TokenId>> parse_ids(std::string_view text, int vocab, std::string_view name);

/// The same from a file of at most 256 MiB. Errors: not_found, io.
Result<std::vector<TokenId>> read_ids(const std::string& path, int vocab);

}  // namespace sambay
