// Tokenizers to test with: the golden one, and a tiny one that tests can bend.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sambay/text.h"
#include "text/byte_alphabet.h"
#include "text/tokenizer_data.h"

namespace sambay::test {

inline std::string read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

inline std::string from_hex(const std::string& hex) {
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  return bytes;
}

inline std::string golden_tokenizer_path(const std::string& file) {
  return std::string(SAMBAY_TEST_DATA "/golden/tokenizer/") + file;
}

/// The 200k vocabulary, opened once per process.
inline const Tokenizer& golden_tokenizer() {
  static const auto tokenizer = Tokenizer::open(golden_tokenizer_path("tokenizer.json"));
  if (!tokenizer) throw std::runtime_error(tokenizer.error().message);
  return **tokenizer;
}

/// All 256 bytes (id = byte), then "th" 256, "he" 257, "the" 258, " the" 259 (by the merges t+h, h+e, th+e
/// and Ġ+the), then added tokens: "<|x|>" 260 special; "<|end|>" 261 special, rstrip; "<pad>" 262 not
/// special, lstrip;
/// "<|user|>" 263, "<|assistant|>" 264, "<|system|>" 265 special, rstrip; "<|endoftext|>" 267 special. 266 is
/// free.
inline nlohmann::json tiny_tokenizer_json() {
  nlohmann::json vocab, added = nlohmann::json::array();
  for (int b = 0; b < 256; b++) vocab[to_byte_alphabet(std::string(1, static_cast<char>(b)))] = b;
  vocab["th"] = 256, vocab["he"] = 257, vocab["the"] = 258, vocab["\u0120the"] = 259;
  const auto add = [&](int id, const char* content, bool special, bool lstrip, bool rstrip) {
    added.push_back({{"id", id},
                     {"content", content},
                     {"single_word", false},
                     {"lstrip", lstrip},
                     {"rstrip", rstrip},
                     {"normalized", false},
                     {"special", special}});
  };
  add(260, "<|x|>", true, false, false);
  add(261, "<|end|>", true, false, true);
  add(262, "<pad>", false, true, false);
  add(263, "<|user|>", true, false, true);
  add(264, "<|assistant|>", true, false, true);
  add(265, "<|system|>", true, false, true);
  add(267, "<|endoftext|>", true, false, false);
  return {{"version", "1.0"},
          {"added_tokens", added},
          {"normalizer", nullptr},
          {"pre_tokenizer",
           {{"type", "Sequence"},
            {"pretokenizers",
             {{{"type", "Split"},
               {"pattern", {{"Regex", " ?\\w+| ?[^\\s\\w]+|\\s+(?!\\S)|\\s+"}}},
               {"behavior", "Isolated"},
               {"invert", false}},
              {{"type", "ByteLevel"},
               {"add_prefix_space", false},
               {"trim_offsets", true},
               {"use_regex", false}}}}}},
          {"post_processor", nullptr},
          {"decoder", {{"type", "ByteLevel"}}},
          {"model",
           {{"type", "BPE"},
            {"dropout", nullptr},
            {"vocab", vocab},
            {"merges", {"t h", "h e", "th e", "\u0120 the"}}}}};
}

inline nlohmann::json& tiny_pattern(nlohmann::json& json) {
  return json["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"];
}

/// Fails the test (and returns null) when it cannot be built.
inline std::unique_ptr<Tokenizer> build(const nlohmann::json& json) {
  auto data = parse_tokenizer_json(json.dump(), "t.json");
  if (!data) {
    ADD_FAILURE() << data.error().message;
    return nullptr;
  }
  auto tokenizer = build_tokenizer(*std::move(data), "t.json");
  if (!tokenizer) {
    ADD_FAILURE() << tokenizer.error().message;
    return nullptr;
  }
  return *std::move(tokenizer);
}

/// BPE by its definition, one merge at a time over the whole word: quadratic and obviously right.
class SlowBpe {
 public:
  explicit SlowBpe(const TokenizerData& data) {
    for (size_t i = 0; i < data.merges.size(); i++)
      ranks_[{data.merges[i].left, data.merges[i].right}] = {i, data.merges[i].merged};
    for (size_t id = 0; id < data.tokens.size(); id++)
      if (data.tokens[id].size() == 1) bytes_[data.tokens[id][0]] = static_cast<TokenId>(id);
  }
  std::vector<TokenId> encode(std::string_view word) const {
    std::vector<TokenId> ids;
    for (char c : word) ids.push_back(bytes_.at(c));
    while (true) {
      size_t best = 0, best_rank = SIZE_MAX;
      TokenId merged = 0;
      for (size_t i = 0; i + 1 < ids.size(); i++) {
        const auto found = ranks_.find({ids[i], ids[i + 1]});
        if (found == ranks_.end() || found->second.first >= best_rank) continue;
        best = i, best_rank = found->second.first, merged = found->second.second;
      }
      if (best_rank == SIZE_MAX) return ids;
      ids[best] = merged;
      ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(best) + 1);
    }
  }

 private:
  std::map<std::pair<TokenId, TokenId>, std::pair<size_t, TokenId>> ranks_;
  std::map<char, TokenId> bytes_;
};

}  // namespace sambay::test
