#include "server/api_keys.h"

#include <fmt/core.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>

namespace sambay::server {
namespace {

constexpr size_t kMaxFileBytes = 1 << 20, kMaxKeyBytes = 512, kMaxNameBytes = 64;
constexpr std::string_view kHashPrefix = "sha256:", kBlanks = " \t\r";

using Hash = std::array<unsigned char, 32>;

Hash sha256(std::string_view text) {
  Hash hash;
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), hash.data());
  return hash;
}

std::optional<Hash> hash_of_hex(std::string_view hex) {
  Hash hash;
  if (hex.size() != 2 * hash.size()) return std::nullopt;
  for (size_t i = 0; i < hash.size(); i++) {
    const char* begin = hex.data() + 2 * i;
    const auto [stop, status] = std::from_chars(begin, begin + 2, hash[i], 16);
    if (status != std::errc() || stop != begin + 2) return std::nullopt;
  }
  return hash;
}

std::string_view next_word(std::string_view& line) {
  const size_t begin = std::min(line.find_first_not_of(kBlanks), line.size());
  const size_t end = std::min(line.find_first_of(kBlanks, begin), line.size());
  const std::string_view word = line.substr(begin, end - begin);
  line.remove_prefix(end);
  return word;
}

bool read_count(std::string_view text, int64_t& out) {
  const auto [stop, status] = std::from_chars(text.data(), text.data() + text.size(), out);
  return status == std::errc() && stop == text.data() + text.size() && out >= 0;
}

bool read_setting(std::string_view word, ApiKey& key) {
  if (word.starts_with("rpm=")) return read_count(word.substr(4), key.limits.requests_per_minute);
  if (word.starts_with("tpm=")) return read_count(word.substr(4), key.limits.tokens_per_minute);
  if (!word.starts_with("name=") || word.size() > 5 + kMaxNameBytes || word.size() == 5) return false;
  for (const char c : word)
    if (static_cast<unsigned char>(c) < 0x21 || static_cast<unsigned char>(c) > 0x7e) return false;
  key.id = word.substr(5);
  return true;
}

Result<std::string> read_file(const std::string& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), std::fclose);
  if (!file) return fail(ErrorCode::not_found, fmt::format("{}: {}", path, std::strerror(errno)));
  std::string text(kMaxFileBytes + 1, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), file.get()));
  if (std::ferror(file.get())) return fail(ErrorCode::io, fmt::format("{}: {}", path, std::strerror(errno)));
  if (text.size() > kMaxFileBytes)
    return fail(ErrorCode::invalid_argument,
                fmt::format("{}: a file of keys may have {} bytes", path, kMaxFileBytes));
  return text;
}

}  // namespace

Result<ApiKeys> ApiKeys::parse(std::string_view text, RateLimits defaults) {
  ApiKeys keys;
  for (int number = 1; !text.empty(); number++) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::string_view word = next_word(line);
    if (word.empty() || word[0] == '#') continue;
    ApiKey key;
    key.limits = defaults;
    if (word.starts_with(kHashPrefix)) {
      const auto hash = hash_of_hex(word.substr(kHashPrefix.size()));
      if (!hash)
        return fail(ErrorCode::invalid_argument,
                    fmt::format("line {}: sha256: must be followed by 64 hexadecimal digits", number));
      key.hash = *hash;
    } else if (word.size() > kMaxKeyBytes) {
      return fail(ErrorCode::invalid_argument,
                  fmt::format("line {}: a key may have {} bytes", number, kMaxKeyBytes));
    } else {
      key.hash = sha256(word);
    }
    for (std::string_view setting = next_word(line); !setting.empty(); setting = next_word(line))
      if (!read_setting(setting, key))
        return fail(ErrorCode::invalid_argument,
                    fmt::format("line {}: behind the key may stand name=NAME, rpm=N and tpm=N", number));
    if (key.id.empty())
      key.id = fmt::format("{:02x}{:02x}{:02x}{:02x}", key.hash[0], key.hash[1], key.hash[2], key.hash[3]);
    keys.keys_.push_back(std::move(key));
  }
  return keys;
}

Result<ApiKeys> ApiKeys::load(const std::vector<std::string>& given, const std::string& path,
                              RateLimits defaults) {
  std::string text;
  for (const std::string& key : given) text += key + "\n";
  SAMBAY_TRY(ApiKeys keys, parse(text, defaults), "--api-key");
  if (keys.size() != given.size())  // a line of a file would be a remark
    return fail(ErrorCode::invalid_argument, "--api-key: a key may not be blank, nor begin with '#'");
  if (path.empty()) return keys;
  SAMBAY_TRY(const std::string file, read_file(path), "--api-key-file");
  SAMBAY_TRY(ApiKeys more, parse(file, defaults), "--api-key-file " + path);
  if (more.empty())
    return fail(ErrorCode::invalid_argument, fmt::format("--api-key-file {}: no keys in it", path));
  keys.keys_.insert(keys.keys_.end(), more.keys_.begin(), more.keys_.end());
  return keys;
}

const ApiKey* ApiKeys::find(std::string_view key) const {
  const Hash hash = sha256(key);
  const ApiKey* found = nullptr;
  for (const ApiKey& candidate : keys_)
    if (CRYPTO_memcmp(candidate.hash.data(), hash.data(), hash.size()) == 0 && !found) found = &candidate;
  return found;
}

}  // namespace sambay::server
