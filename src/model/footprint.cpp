// What of a model decides about memory, from its configuration and the tables of its files.
#include <algorithm>
#include <unordered_set>

#include "model/memory_plan.h"
#include "model/sambay.h"

namespace sambay {
namespace {

void add_config(const SambaYConfig& config, ModelFootprint& out) {
  out.vocab = config.vocab;
  out.max_context = config.max_context;
  out.cache = sambay_cache_spec(config);
  out.row_floats = SambaYWidths(config).sum();
  out.workspace.attention_pairs = config.heads / config.kv_heads;
  out.workspace.head_dim = config.head_dim();
}

/// Where it ends up (SambaYLoader::place).
void add_tensor(const TensorSpec& spec, const SambaYConfig& config, DType type, int64_t stored_bytes,
                ModelFootprint& out) {
  int64_t bytes = stored_bytes;
  if (!spec.is_matrix) {
    out.vector_bytes += 4 * spec.element_count();
  } else {
    const int64_t rows = spec.shape.front(), cols = spec.shape.back();
    const int64_t first_part = spec.role == Role::qkv ? config.hidden : rows;
    const PlacedBytes placed = cpu_placed_bytes(type, first_part, cols);
    bytes = placed.bytes + cpu_placed_bytes(type, rows - first_part, cols).bytes;
    if (placed.is_copy) out.workspace.quantized_cols = std::max(out.workspace.quantized_cols, cols);
  }
  if (spec.role == Role::embedding) {
    out.embedding_type = type;
    out.embedding_bytes = bytes;
  } else {
    out.weight_bytes[static_cast<size_t>(type)] += bytes;
  }
}

/// The JSON files of a folder, which the checkpoint keeps.
int64_t text_bytes(const CheckpointText& text) {
  size_t sum = text.config.size();
  for (const auto* part :
       {&text.tokenizer, &text.tokenizer_config, &text.generation_config, &text.chat_template, &text.card})
    sum += *part ? (*part)->size() : 0;
  return static_cast<int64_t>(sum);
}

}  // namespace

Result<ModelFootprint> model_footprint(const Checkpoint& checkpoint) {
  SAMBAY_TRY(const SambaYConfig config, load_sambay_config(checkpoint), "reading the configuration");
  const bool is_gguf = checkpoint.kind() == CheckpointKind::gguf;
  ModelFootprint out;
  add_config(config, out);
  int64_t tensor_bytes = 0;  // as stored
  std::unordered_set<const TensorView*> known;
  const std::vector<TensorSpec> specs = sambay_tensors(config);
  for (const TensorSpec& spec : specs)
    if (const TensorView* view = checkpoint.find(is_gguf ? spec.gguf_name : spec.hf_name)) {
      const auto stored_bytes = static_cast<int64_t>(view->bytes.size());
      add_tensor(spec, config, view->type, stored_bytes, out);
      tensor_bytes += stored_bytes;
      known.insert(view);
    }
  for (const TensorView& view : checkpoint.tensors())  // a stored output head, which the loader compares
    if (!known.contains(&view)) {
      out.weight_bytes[static_cast<size_t>(view.type)] += static_cast<int64_t>(view.bytes.size());
      tensor_bytes += static_cast<int64_t>(view.bytes.size());
    }
  out.header_bytes = std::max<int64_t>(0, checkpoint.file_bytes() - tensor_bytes);
  if (!is_gguf) out.header_bytes += text_bytes(checkpoint.text());
  return out;
}

ModelFootprint model_footprint(const SambaYConfig& config, std::span<const TensorSpec> specs,
                               std::span<const DType> types, int64_t file_bytes) {
  ModelFootprint out;
  add_config(config, out);
  int64_t tensor_bytes = 0;
  for (size_t i = 0; i < specs.size(); i++) {
    const int64_t stored_bytes = dtype_bytes(types[i], specs[i].element_count());
    add_tensor(specs[i], config, types[i], stored_bytes, out);
    tensor_bytes += stored_bytes;
  }
  out.header_bytes = std::max<int64_t>(0, file_bytes - tensor_bytes);
  return out;
}

}  // namespace sambay
