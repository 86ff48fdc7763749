// One view over everything a model can be loaded from.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/mapped_file.h"
#include "formats/gguf_reader.h"
#include "formats/tensor_view.h"
#include "sambay/error.h"

namespace sambay {

/// Which naming scheme the tensors follow.
enum class CheckpointKind { hugging_face, gguf };

/// What becomes of tensors' bytes that nobody needs where they are (Checkpoint::let_go).
enum class Storage {
  mapped,      ///< pages of a file, the program's own included: they come back when they are read again
  memory,      ///< somebody's memory: stays
  disposable,  ///< memory made for one load: its pages are given back, and read as zero afterwards
};

/// The side files of a Hugging Face folder, as text; absent when the folder has none. At most 1 MiB each, 64
/// MiB for the two of the tokenizer.
struct CheckpointText {
  std::string config;                            // config.json, always there
  std::optional<std::string> tokenizer;          // tokenizer.json
  std::optional<std::string> tokenizer_config;   // tokenizer_config.json
  std::optional<std::string> generation_config;  // generation_config.json
  std::optional<std::string> chat_template;      // chat_template.jinja
  std::optional<std::string> card;               // card.json, see quality_card.h
};

/// Keeps the mapped files alive; views are valid as long as it lives. Move-only, thread-safe after open.
class Checkpoint {
 public:
  /// A Hugging Face folder (config.json + model.safetensors, or shards + model.safetensors.index.json), a
  /// .safetensors file beside a config.json, or a GGUF file (told by its first four bytes, not by its name).
  /// "" is the model embedded in the program (sambay/embedded_model.h).
  /// Errors name the file: not_found for a missing path, shard or config, with what a folder needs to hold.
  static Result<Checkpoint> open(const std::string& path);
  /// A GGUF already in memory. The bytes must outlive the checkpoint.
  static Result<Checkpoint> from_gguf_memory(std::span<const std::byte> bytes, std::string name,
                                             Storage storage = Storage::memory);
  Checkpoint(Checkpoint&&) noexcept;
  Checkpoint& operator=(Checkpoint&&) noexcept;
  ~Checkpoint();

  CheckpointKind kind() const { return kind_; }
  /// What the user called it; for messages.
  const std::string& name() const { return name_; }
  std::span<const TensorView> tensors() const { return tensors_; }
  /// nullptr when there is none.
  const TensorView* find(std::string_view tensor) const;
  /// Only for kind gguf.
  const GgufReader& gguf() const;
  /// Only for kind hugging_face.
  const CheckpointText& text() const;
  /// Whoever copied a tensor calls this with its bytes, or a part of them, so that they are not in memory
  /// twice.
  void let_go(std::span<const std::byte> tensor_bytes) const;
  /// Bytes of all files that hold tensors.
  int64_t file_bytes() const { return file_bytes_; }

 private:
  Checkpoint() = default;
  static Result<Checkpoint> open_folder(const std::string& folder);
  Result<void> add_shards(const std::string& folder, const std::map<std::string, std::string>& index);
  Result<void> add_file(MappedFile file);
  Result<void> add_tensors(std::span<const TensorView> tensors, const std::string& file);
  CheckpointKind kind_ = CheckpointKind::gguf;
  Storage storage_ = Storage::mapped;
  std::string name_;
  std::vector<MappedFile> files_;
  std::vector<TensorView> tensors_;
  std::unordered_map<std::string, size_t> by_name_;
  std::unique_ptr<GgufReader> gguf_;
  CheckpointText text_;
  int64_t file_bytes_ = 0;
};

/// The files that Checkpoint::open(path) would read, whether they exist or not, for refuse_output_over_input:
/// `path` itself unless it is a folder, and the weights and side files that a folder or a .safetensors file
/// brings along. Of these only the index of shards is read. "" is the running program, which holds the
/// embedded model. Never fails: what is wrong is found by opening.
std::vector<std::string> checkpoint_files(const std::string& path);

}  // namespace sambay
