#include "formats/checkpoint.h"

#include <fmt/core.h>
#include <sys/stat.h>

#include <cstring>
#include <map>

#include "base/check.h"
#include "base/printable.h"
#include "formats/safetensors.h"
#include "sambay/embedded_model.h"

namespace sambay {
namespace {

// Side files are read whole; a real tokenizer.json has 16 MB at most.
constexpr size_t kMaxConfigBytes = size_t{1} << 20;
constexpr size_t kMaxIndexBytes = size_t{16} << 20;
constexpr size_t kMaxTokenizerBytes = size_t{64} << 20;

enum class PathKind { missing, folder, file };
PathKind kind_of(const std::string& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) return PathKind::missing;
  return S_ISDIR(info.st_mode) ? PathKind::folder : PathKind::file;
}

Result<std::string> read_text(const std::string& path, size_t limit) {
  SAMBAY_TRY(const MappedFile file, MappedFile::open(path), "reading");
  if (file.bytes().size() > limit)
    return fail(ErrorCode::corrupt,
                fmt::format("{}: {} bytes; at most {} make sense", path, file.bytes().size(), limit));
  return std::string(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
}

/// A side file that may be missing.
Result<std::optional<std::string>> read_optional(const std::string& path, size_t limit) {
  if (kind_of(path) != PathKind::file) return std::optional<std::string>();
  SAMBAY_TRY(std::string text, read_text(path, limit), "side file");
  return std::optional<std::string>(std::move(text));
}

Result<CheckpointText> read_side_files(const std::string& folder) {
  CheckpointText text;
  if (kind_of(folder + "/config.json") != PathKind::file)
    return fail(
        ErrorCode::not_found,
        fmt::format(
            "{}: no config.json; a model folder holds config.json and model.safetensors, or shards with "
            "model.safetensors.index.json",
            folder));
  SAMBAY_TRY(text.config, read_text(folder + "/config.json", kMaxConfigBytes), "model folder");
  SAMBAY_TRY(text.tokenizer, read_optional(folder + "/tokenizer.json", kMaxTokenizerBytes), "model folder");
  SAMBAY_TRY(text.tokenizer_config, read_optional(folder + "/tokenizer_config.json", kMaxTokenizerBytes),
             "model folder");
  SAMBAY_TRY(text.generation_config, read_optional(folder + "/generation_config.json", kMaxConfigBytes),
             "model folder");
  SAMBAY_TRY(text.chat_template, read_optional(folder + "/chat_template.jinja", kMaxConfigBytes),
             "model folder");
  return text;
}

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
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
    return from_gguf_memory(embedded_model(), "embedded model");
  }
  switch (kind_of(path)) {
    case PathKind::missing:
      return fail(ErrorCode::not_found, fmt::format("{}: no such file or folder", path));
    case PathKind::folder: return open_folder(path);
    case PathKind::file: break;
  }
  SAMBAY_TRY(MappedFile file, MappedFile::open(path), "model");
  if (begins_with_gguf(file.bytes())) {
    SAMBAY_TRY(Checkpoint checkpoint, from_gguf_memory(file.bytes(), path), "model");
    checkpoint.files_.push_back(std::move(file));
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
  SAMBAY_TRY(checkpoint.text_, read_side_files(folder_of(path)), path);
  SAMBAY_TRY_VOID(checkpoint.add_file(std::move(file), path));
  return checkpoint;
}

Result<Checkpoint> Checkpoint::open_folder(const std::string& folder) {
  Checkpoint checkpoint;
  checkpoint.kind_ = CheckpointKind::hugging_face;
  checkpoint.name_ = folder;
  SAMBAY_TRY(checkpoint.text_, read_side_files(folder), "model folder");
  const std::string single = folder + "/model.safetensors",
                    index_path = folder + "/model.safetensors.index.json";
  if (kind_of(single) == PathKind::file) {
    SAMBAY_TRY(MappedFile file, MappedFile::open(single), "weights");
    SAMBAY_TRY_VOID(checkpoint.add_file(std::move(file), single));
    return checkpoint;
  }
  if (kind_of(index_path) != PathKind::file)
    return fail(
        ErrorCode::not_found,
        fmt::format("{}: no weights; expected model.safetensors, or shards with model.safetensors.index.json",
                    folder));
  SAMBAY_TRY(const std::string index_text, read_text(index_path, kMaxIndexBytes), "weights");
  SAMBAY_TRY(const auto index, parse_safetensors_index(index_text, index_path), "weights");
  SAMBAY_TRY_VOID(checkpoint.add_shards(folder, index));
  return checkpoint;
}

Result<void> Checkpoint::add_shards(const std::string& folder,
                                    const std::map<std::string, std::string>& index) {
  std::map<std::string, size_t> shards;  // and how many tensors the index expects of each
  for (const auto& [tensor, shard] : index) shards[shard]++;
  for (const auto& [shard, expected] : shards) {
    const std::string path = folder + "/" + shard;
    if (kind_of(path) != PathKind::file)
      return fail(ErrorCode::not_found,
                  fmt::format("{}: shard is missing; the index names it for {} tensors", path, expected));
    SAMBAY_TRY(MappedFile file, MappedFile::open(path), "weights");
    const size_t first = tensors_.size();
    SAMBAY_TRY_VOID(add_file(std::move(file), path));
    for (size_t i = first; i < tensors_.size(); i++) {
      const auto entry = index.find(tensors_[i].name);
      if (entry == index.end() || entry->second != shard)
        return fail(ErrorCode::corrupt,
                    fmt::format("{}: tensor '{}' is not what the index says of this shard", path,
                                printable(tensors_[i].name)));
    }
  }
  for (const auto& [tensor, shard] : index)
    if (!find(tensor))
      return fail(ErrorCode::corrupt, fmt::format("{}/{}: tensor '{}' is missing, which the index promises",
                                                  folder, shard, printable(tensor)));
  return {};
}

Result<void> Checkpoint::add_file(MappedFile file, const std::string& path) {
  SAMBAY_TRY(const std::vector<TensorView> views, parse_safetensors(file.bytes(), path), "weights");
  SAMBAY_TRY_VOID(add_tensors(views, path));
  file_bytes_ += static_cast<int64_t>(file.bytes().size());
  files_.push_back(std::move(file));
  return {};
}

Result<void> Checkpoint::add_tensors(std::span<const TensorView> tensors, const std::string& file) {
  for (const TensorView& view : tensors) {
    if (!by_name_.emplace(view.name, tensors_.size()).second)
      return fail(ErrorCode::corrupt,
                  fmt::format("{}: tensor '{}' is in another shard too", file, printable(view.name)));
    tensors_.push_back(view);
  }
  return {};
}

Result<Checkpoint> Checkpoint::from_gguf_memory(std::span<const std::byte> bytes, std::string name) {
  Checkpoint checkpoint;
  checkpoint.kind_ = CheckpointKind::gguf;
  SAMBAY_TRY(GgufReader reader, GgufReader::parse(bytes, name), "model");
  checkpoint.gguf_ = std::make_unique<GgufReader>(std::move(reader));
  SAMBAY_TRY_VOID(checkpoint.add_tensors(checkpoint.gguf_->tensors(), name));
  checkpoint.file_bytes_ = static_cast<int64_t>(bytes.size());
  checkpoint.name_ = std::move(name);
  return checkpoint;
}

const TensorView* Checkpoint::find(std::string_view tensor) const {
  const auto found = by_name_.find(std::string(tensor));
  return found == by_name_.end() ? nullptr : &tensors_[found->second];
}

const GgufReader& Checkpoint::gguf() const {
  SAMBAY_CHECK(gguf_ != nullptr, "not a GGUF checkpoint: " + name_);
  return *gguf_;
}

const CheckpointText& Checkpoint::text() const {
  SAMBAY_CHECK(kind_ == CheckpointKind::hugging_face, "not a Hugging Face checkpoint: " + name_);
  return text_;
}

}  // namespace sambay
