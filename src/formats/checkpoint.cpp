#include "formats/checkpoint.h"

#include <dirent.h>
#include <fmt/core.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <set>

#include "base/check.h"
#include "base/printable.h"
#include "base/release_pages.h"
#include "formats/safetensors.h"
#include "sambay/embedded_model.h"

namespace sambay {
namespace {

// Side files are read whole; a real tokenizer.json has 16 MB.
constexpr size_t kMaxConfigBytes = size_t{1} << 20;
constexpr size_t kMaxIndexBytes = size_t{64} << 20;
constexpr size_t kMaxTokenizerBytes = size_t{64} << 20;

constexpr const char* kConfig = "config.json";
constexpr const char* kWeights = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";

enum class PathKind { missing, folder, file };

Result<PathKind> kind_of(const std::string& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) == 0) return S_ISDIR(info.st_mode) ? PathKind::folder : PathKind::file;
  if (errno == ENOENT || errno == ENOTDIR || errno == ENAMETOOLONG || errno == ELOOP)
    return PathKind::missing;
  return fail(ErrorCode::io, fmt::format("{}: {}", path, std::strerror(errno)));
}

/// nullopt when there is no such file.
Result<std::optional<std::string>> read_text(const std::string& path, size_t limit) {
  const auto kind = kind_of(path);
  if (!kind) return tl::unexpected(kind.error());
  if (*kind == PathKind::missing) return std::optional<std::string>();
  auto file = MappedFile::open(path);
  if (!file) return tl::unexpected(std::move(file).error());
  const std::span<const std::byte> bytes = file->bytes();
  if (bytes.size() > limit)
    return fail(ErrorCode::unsupported,
                fmt::format("{}: has {} bytes; at most {} are read", path, bytes.size(), limit));
  return std::optional(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

/// What a folder that is no model may hold instead.
std::string hint(const std::string& folder) {
  DIR* entries = ::opendir(folder.c_str());
  if (entries == nullptr) return "";
  std::string gguf, bin;
  while (const dirent* entry = ::readdir(entries)) {
    const std::string_view name = entry->d_name;
    if (name.ends_with(".gguf") && (gguf.empty() || name < gguf)) gguf = name;
    if (name.ends_with(".bin") && (bin.empty() || name < bin)) bin = name;
  }
  ::closedir(entries);
  if (!gguf.empty()) return fmt::format("; it holds {}: give that file itself", gguf);
  if (!bin.empty()) return fmt::format("; {} is not read, only safetensors and GGUF are", bin);
  return "";
}

struct SideFile {
  const char* name;
  size_t limit;
  std::optional<std::string> CheckpointText::* to;
};
constexpr SideFile kSideFiles[] = {
    {"tokenizer.json", kMaxTokenizerBytes, &CheckpointText::tokenizer},
    {"tokenizer_config.json", kMaxTokenizerBytes, &CheckpointText::tokenizer_config},
    {"generation_config.json", kMaxConfigBytes, &CheckpointText::generation_config},
    {"chat_template.jinja", kMaxConfigBytes, &CheckpointText::chat_template},
    {"card.json", kMaxConfigBytes, &CheckpointText::card},
};

Result<CheckpointText> read_side_files(const std::string& folder) {
  auto config = read_text(folder + "/" + kConfig, kMaxConfigBytes);
  if (!config) return tl::unexpected(std::move(config).error());
  if (!*config)
    return fail(ErrorCode::not_found,
                fmt::format("{}: not a model: there is no {}; a model folder holds {} and {}, or {} and its "
                            "shards{}",
                            folder, kConfig, kConfig, kWeights, kIndex, hint(folder)));
  CheckpointText text;
  text.config = **std::move(config);
  for (const SideFile& side : kSideFiles) {
    auto content = read_text(folder + "/" + side.name, side.limit);
    if (!content) return tl::unexpected(std::move(content).error());
    text.*side.to = *std::move(content);
  }
  return text;
}

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

bool begins_with_gguf(std::span<const std::byte> bytes) {
  return bytes.size() >= 4 && std::memcmp(bytes.data(), &kGgufMagic, 4) == 0;
}

}  // namespace

Checkpoint::Checkpoint(Checkpoint&&) noexcept = default;
Checkpoint& Checkpoint::operator=(Checkpoint&&) noexcept = default;
Checkpoint::~Checkpoint() = default;

Result<Checkpoint> Checkpoint::open(const std::string& path) {
  if (path.empty()) {
    if (embedded_model().empty())
      return fail(ErrorCode::not_found,
                  "this build carries no model; give one with -m: a folder, a .safetensors or a GGUF file");
    return from_gguf_memory(embedded_model(), "embedded model", Storage::mapped);
  }
  const auto kind = kind_of(path);
  if (!kind) return tl::unexpected(kind.error());
  if (*kind == PathKind::missing)
    return fail(ErrorCode::not_found, fmt::format("{}: no such file or folder", path));
  if (*kind == PathKind::folder) return open_folder(path);
  auto file = MappedFile::open(path);
  if (!file) return tl::unexpected(std::move(file).error());
  if (begins_with_gguf(file->bytes())) {
    auto checkpoint = from_gguf_memory(file->bytes(), path, Storage::mapped);
    if (checkpoint) checkpoint->files_.push_back(*std::move(file));
    return checkpoint;
  }
  if (!path.ends_with(".safetensors"))
    return fail(ErrorCode::unsupported,
                fmt::format("{}: neither a GGUF file (it does not begin with GGUF), nor a .safetensors file, "
                            "nor a model folder",
                            path));
  Checkpoint checkpoint;
  checkpoint.kind_ = CheckpointKind::hugging_face;
  checkpoint.name_ = path;
  auto text = read_side_files(folder_of(path));
  if (!text) return tl::unexpected(std::move(text).error());
  checkpoint.text_ = *std::move(text);
  SAMBAY_TRY_VOID(checkpoint.add_file(*std::move(file)));
  return checkpoint;
}

Result<Checkpoint> Checkpoint::open_folder(const std::string& folder) {
  Checkpoint checkpoint;
  checkpoint.kind_ = CheckpointKind::hugging_face;
  checkpoint.name_ = folder;
  auto text = read_side_files(folder);
  if (!text) return tl::unexpected(std::move(text).error());
  checkpoint.text_ = *std::move(text);

  const std::string single = folder + "/" + kWeights, index_path = folder + "/" + kIndex;
  const auto kind = kind_of(single);
  if (!kind) return tl::unexpected(kind.error());
  if (*kind != PathKind::missing) {
    auto file = MappedFile::open(single);
    if (!file) return tl::unexpected(std::move(file).error());
    SAMBAY_TRY_VOID(checkpoint.add_file(*std::move(file)));
    return checkpoint;
  }
  const auto index_text = read_text(index_path, kMaxIndexBytes);
  if (!index_text) return tl::unexpected(index_text.error());
  if (!*index_text)
    return fail(ErrorCode::not_found,
                fmt::format("{}: there is a {} but no weights: {}, or {} and its shards, is needed{}", folder,
                            kConfig, kWeights, kIndex, hint(folder)));
  const auto index = parse_safetensors_index(**index_text, index_path);
  if (!index) return tl::unexpected(index.error());
  SAMBAY_TRY_VOID(checkpoint.add_shards(folder, *index));
  return checkpoint;
}

Result<void> Checkpoint::add_shards(const std::string& folder,
                                    const std::map<std::string, std::string>& index) {
  std::map<std::string, size_t> shards;  // and how many tensors the index expects of each
  for (const auto& [tensor, shard] : index) shards[shard]++;
  for (const auto& [shard, expected] : shards) {
    const std::string path = folder + "/" + shard;
    const auto kind = kind_of(path);
    if (!kind) return tl::unexpected(kind.error());
    if (*kind == PathKind::missing)
      return fail(ErrorCode::not_found, fmt::format("{}: this shard is missing; {} places {} tensors in it",
                                                    path, kIndex, expected));
    auto file = MappedFile::open(path);
    if (!file) return tl::unexpected(std::move(file).error());
    const size_t first = tensors_.size();
    SAMBAY_TRY_VOID(add_file(*std::move(file)));
    for (const TensorView& view : std::span(tensors_).subspan(first)) {
      const auto entry = index.find(view.name);
      if (entry == index.end())
        return fail(ErrorCode::corrupt, fmt::format("{}: holds tensor '{}', which {} does not name", path,
                                                    printable(view.name), kIndex));
      if (entry->second != shard)
        return fail(ErrorCode::corrupt, fmt::format("{}: holds tensor '{}', which {} places in {}", path,
                                                    printable(view.name), kIndex, printable(entry->second)));
    }
  }
  for (const auto& [tensor, shard] : index)
    if (find(tensor) == nullptr)
      return fail(ErrorCode::corrupt, fmt::format("{}/{}: lacks tensor '{}', which {} places in it", folder,
                                                  shard, printable(tensor), kIndex));
  return {};
}

Result<void> Checkpoint::add_file(MappedFile file) {
  const auto views = parse_safetensors(file.bytes(), file.path());
  if (!views) return tl::unexpected(views.error());
  SAMBAY_TRY_VOID(add_tensors(*views, file.path()));
  file_bytes_ += static_cast<int64_t>(file.bytes().size());
  files_.push_back(std::move(file));
  return {};
}

Result<void> Checkpoint::add_tensors(std::span<const TensorView> tensors, const std::string& file) {
  for (const TensorView& view : tensors) {
    if (!by_name_.emplace(view.name, tensors_.size()).second)
      return fail(ErrorCode::corrupt, fmt::format("{}: holds tensor '{}', which another shard holds too",
                                                  file, printable(view.name)));
    tensors_.push_back(view);
  }
  return {};
}

Result<Checkpoint> Checkpoint::from_gguf_memory(std::span<const std::byte> bytes, std::string name,
                                                Storage storage) {
  Checkpoint checkpoint;
  checkpoint.storage_ = storage;
  checkpoint.kind_ = CheckpointKind::gguf;
  auto reader = GgufReader::parse(bytes, name);
  if (!reader) return tl::unexpected(std::move(reader).error());
  checkpoint.gguf_ = std::make_unique<GgufReader>(*std::move(reader));
  SAMBAY_TRY_VOID(checkpoint.add_tensors(checkpoint.gguf_->tensors(), name));
  checkpoint.file_bytes_ = static_cast<int64_t>(bytes.size());
  checkpoint.name_ = std::move(name);
  return checkpoint;
}

const TensorView* Checkpoint::find(std::string_view tensor) const {
  const auto found = by_name_.find(std::string(tensor));
  return found == by_name_.end() ? nullptr : &tensors_[found->second];
}

void Checkpoint::let_go(std::span<const std::byte> tensor_bytes) const {
  if (storage_ != Storage::memory) release_pages(tensor_bytes);
}

const GgufReader& Checkpoint::gguf() const {
  SAMBAY_CHECK(gguf_ != nullptr, "not a GGUF checkpoint: " + name_);
  return *gguf_;
}

const CheckpointText& Checkpoint::text() const {
  SAMBAY_CHECK(kind_ == CheckpointKind::hugging_face, "not a Hugging Face checkpoint: " + name_);
  return text_;
}

std::vector<std::string> checkpoint_files(const std::string& path) {
  if (path.empty()) return {"/proc/self/exe"};
  const auto kind = kind_of(path);
  const bool is_folder = kind && *kind == PathKind::folder;
  std::vector<std::string> files;
  if (!is_folder) files.push_back(path);
  if (!is_folder && !path.ends_with(".safetensors")) return files;
  const std::string folder = is_folder ? path : folder_of(path);
  files.push_back(folder + "/" + kConfig);
  for (const SideFile& side : kSideFiles) files.push_back(folder + "/" + side.name);
  if (!is_folder) return files;
  const std::string single = folder + "/" + kWeights, index_path = folder + "/" + kIndex;
  files.push_back(single);
  const auto single_kind = kind_of(single);
  if (!single_kind || *single_kind != PathKind::missing) return files;  // as open_folder: no index is read
  files.push_back(index_path);
  const auto text = read_text(index_path, kMaxIndexBytes);
  if (!text || !*text) return files;
  std::set<std::string> shards;
  if (const auto index = parse_safetensors_index(**text, index_path))
    for (const auto& [tensor, shard] : *index) shards.insert(folder + "/" + shard);
  files.insert(files.end(), shards.begin(), shards.end());
  return files;
}

}  // namespace sambay
