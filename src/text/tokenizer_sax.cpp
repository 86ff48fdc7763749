#include "text/tokenizer_sax.h"

#include <fmt/format.h>

#include "base/printable.h"
#include "text/tokenizer_data.h"

namespace sambay {
namespace {

using nlohmann::json;

constexpr size_t kMaxDepth = 32;

class Handler final : public json::json_sax_t {
 public:
  explicit Handler(TokenizerFile& file) : file_(file) {}
  const std::string& error() const { return error_; }

  bool null() override { return bulk_ == Bulk::none ? place(json()) : misplaced("null"); }
  bool boolean(bool value) override { return bulk_ == Bulk::none ? place(value) : misplaced("a boolean"); }
  bool number_integer(int64_t value) override {  // only negative ones come here
    if (bulk_ == Bulk::none) return place(value);
    return stop(fmt::format("{} is not a token id", value));
  }
  bool number_unsigned(uint64_t value) override {
    if (bulk_ == Bulk::none) return place(value);
    if (bulk_ != Bulk::vocab) return misplaced("a number");
    file_.vocab.push_back({key_text_, value});
    return true;
  }
  bool number_float(double value, const std::string&) override {
    return bulk_ == Bulk::none ? place(value) : misplaced("a fraction");
  }
  bool string(std::string& value) override {
    if (bulk_ == Bulk::none) return place(std::move(value));
    return bulk_ == Bulk::merges ? merge_string(value) : misplaced("a string");
  }
  bool binary(json::binary_t&) override { return stop("binary value"); }

  bool start_object(size_t) override {
    if (bulk_ != Bulk::none) return misplaced("an object");
    if (at_bulk("vocab")) return enter(Bulk::vocab, file_.has_vocab);
    return open(json::object());
  }
  bool key(std::string& name) override {
    if (bulk_ == Bulk::vocab) {
      key_text_ = keep(name);
      return true;
    }
    Frame& frame = frames_.back();
    const bool again = frame.node->contains(name) ||
                       (frames_.size() == 2 && path_is_model() &&
                        ((name == "vocab" && file_.has_vocab) || (name == "merges" && file_.has_merges)));
    frame.key = std::move(name);
    return again ? stop("appears twice") : true;
  }
  bool end_object() override { return bulk_ == Bulk::vocab ? leave() : close(); }
  bool start_array(size_t) override {
    if (bulk_ == Bulk::merges && pair_strings_ < 0) {
      pair_strings_ = 0;
      return true;
    }
    if (bulk_ != Bulk::none) return misplaced("an array");
    if (at_bulk("merges")) return enter(Bulk::merges, file_.has_merges);
    return open(json::array());
  }
  bool end_array() override {
    if (bulk_ != Bulk::merges) return close();
    if (pair_strings_ < 0) return leave();
    if (pair_strings_ != 2) return stop(fmt::format("{} strings in a pair", pair_strings_));
    pair_strings_ = -1;
    file_.merges.push_back({pair_[0], pair_[1]});
    return true;
  }
  bool parse_error(size_t position, const std::string&, const json::exception&) override {
    error_ = fmt::format("not valid JSON at byte {}", position);
    return false;
  }

 private:
  enum class Bulk { none, vocab, merges };
  struct Frame {
    json* node;
    std::string key;  // of the member being read, for objects
  };

  bool stop(std::string_view what) {
    error_ = fmt::format("{}: {}", path(), what);
    return false;
  }
  bool misplaced(std::string_view what) {
    return stop(fmt::format("{} where {} should stand", what,
                            bulk_ == Bulk::vocab ? "a token id" : "\"left right\" or [\"left\", \"right\"]"));
  }
  std::string path() const {
    std::string out;
    for (const Frame& frame : frames_) {
      if (frame.node->is_array()) {
        // An element that is still open was put in already.
        out += fmt::format("[{}]", frame.node->size() - (&frame == &frames_.back() ? 0 : 1));
      } else {
        if (!out.empty()) out += '.';
        out += printable(frame.key);
      }
    }
    if (bulk_ == Bulk::vocab) out += fmt::format("[\"{}\"]", printable(file_.view(key_text_)));
    if (bulk_ == Bulk::merges) out += fmt::format("[{}]", file_.merges.size());
    return out.empty() ? "top level" : out;
  }

  bool path_is_model() const { return frames_[0].key == "model"; }
  bool at_bulk(std::string_view member) const {
    return frames_.size() == 2 && path_is_model() && frames_[1].node->is_object() && frames_[1].key == member;
  }
  bool enter(Bulk bulk, bool& seen) {
    bulk_ = bulk;
    seen = true;
    return true;
  }
  bool leave() {
    bulk_ = Bulk::none;
    return true;
  }

  /// Puts a value where the parser stands and returns it.
  json* put(json value) {
    if (frames_.empty()) return &(file_.tree = std::move(value));
    Frame& frame = frames_.back();
    if (frame.node->is_object()) return &((*frame.node)[frame.key] = std::move(value));
    frame.node->push_back(std::move(value));
    return &frame.node->back();
  }
  bool place(json value) {
    if (at_bulk("vocab")) return stop("must be an object");
    if (at_bulk("merges")) return stop("must be an array");
    put(std::move(value));
    return true;
  }
  bool open(json container) {
    if (frames_.size() == kMaxDepth) return stop(fmt::format("nested deeper than {}", kMaxDepth));
    if (at_bulk("vocab")) return stop("must be an object");
    if (at_bulk("merges")) return stop("must be an array");
    json* node = put(std::move(container));
    frames_.push_back({node, {}});
    return true;
  }
  bool close() {
    frames_.pop_back();
    return true;
  }

  TokenizerFile::Text keep(std::string_view text) {
    const auto offset = static_cast<uint32_t>(file_.texts.size());
    file_.texts += text;
    return {offset, static_cast<uint32_t>(text.size())};
  }
  bool merge_string(const std::string& text) {
    if (pair_strings_ >= 0) {
      if (pair_strings_ < 2) pair_[pair_strings_] = keep(text);
      pair_strings_++;
      return true;
    }
    const size_t space = text.find(' ');
    if (space == std::string::npos || text.find(' ', space + 1) != std::string::npos)
      return stop(fmt::format("\"{}\" is not two tokens with one space between them", printable(text)));
    const TokenizerFile::Text whole = keep(text);
    const auto left_size = static_cast<uint32_t>(space);
    file_.merges.push_back(
        {{whole.offset, left_size}, {whole.offset + left_size + 1, whole.size - left_size - 1}});
    return true;
  }

  TokenizerFile& file_;
  std::string error_;
  std::vector<Frame> frames_;
  Bulk bulk_ = Bulk::none;
  TokenizerFile::Text key_text_{};  // the vocab entry being read
  int pair_strings_ = -1;           // strings seen of the pair being read; -1 outside of pairs
  TokenizerFile::Text pair_[2]{};
};

}  // namespace

Result<TokenizerFile> read_tokenizer_file(std::string_view text) {
  if (text.size() > kMaxTokenizerJsonBytes)
    return fail(ErrorCode::unsupported,
                fmt::format("{} bytes; at most {} are allowed", text.size(), kMaxTokenizerJsonBytes));
  TokenizerFile file;
  file.texts.reserve(text.size() / 2);
  Handler handler(file);
  if (!json::sax_parse(text, &handler)) return fail(ErrorCode::corrupt, handler.error());
  return file;
}

}  // namespace sambay
