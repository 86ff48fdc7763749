#include "base/utf8.h"
#include "sambay/text.h"

namespace sambay {

void Detokenizer::push(TokenId id, std::string& out) {
  if (hide_special_ && tokenizer_->is_special(id)) return;
  pending_ += tokenizer_->bytes(id);
  const size_t held_back = append_lossy_utf8(pending_, out);
  pending_.erase(0, pending_.size() - held_back);
}

void Detokenizer::finish(std::string& out) {
  // The beginning of one character is one maximal subpart.
  if (!pending_.empty()) append_utf8(0xFFFD, out);
  pending_.clear();
}

}  // namespace sambay
