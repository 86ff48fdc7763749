// Who will use how many bytes, before anything is loaded. `sambay plan` prints it, `--memory` is held against
// it, and the engine allocates by it.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "formats/checkpoint.h"
#include "model/cache_plan.h"
#include "model/sambay_config.h"
#include "model/tensor_table.h"
#include "ops/ops.h"
#include "sambay/error.h"
#include "tensor/dtype.h"

namespace sambay {

/// What the size of a run depends on in the model, read from headers and names alone.
struct ModelFootprint {
  int vocab = 0, max_context = 0;
  std::array<int64_t, kDTypeCount> weight_bytes = {};  ///< by type, without the embedding
  DType embedding_type = DType::f32;                   ///< also the output head
  int64_t embedding_bytes = 0;
  int64_t vector_bytes = 0;  ///< copies of everything that is no matrix, as f32
  int64_t header_bytes = 0;  ///< of the files: what is no tensor; side files that stay in memory
  CacheSpec cache;
  int64_t row_floats = 0;    ///< working memory of the forward per row of a step
  WorkspaceShape workspace;  ///< rows unset
};

/// Tensors that are missing or wrong count as they are: the loader will say so. Errors: those of the
/// configuration.
Result<ModelFootprint> model_footprint(const Checkpoint& checkpoint);
/// Of a model that does not exist yet. types: of each spec; file_bytes: of the GGUF that would hold it.
ModelFootprint model_footprint(const SambaYConfig& config, std::span<const TensorSpec> specs,
                               std::span<const DType> types, int64_t file_bytes);

/// What is to be run.
struct MemoryRequest {
  DType kv = DType::f16;
  int sequences = 1;            ///< at once
  int positions = 0;            ///< of each, prompt and answer; at least 1
  int chunk = 256;              ///< prompt rows of a step
  int64_t logit_rows = 1;       ///< of a step
  int threads = 0;              ///< 0: one per physical core
  int64_t total_positions = 0;  ///< of all sequences together; 0: of each as many as `positions`
  int64_t prefix_bytes = 0;     ///< for the prefix cache
  bool samples = false;         ///< tokens are chosen from the logits
  int64_t tokenizer_bytes = 0;  ///< 0: none is loaded
  int64_t other_bytes = 0;      ///< whatever else the command keeps
};

inline constexpr int kDefaultContext = 65536;  ///< tokens, unless the model's limit is lower

/// What the engine asks for: each sequence may be given a token in every step.
MemoryRequest answering_request(DType kv, int sequences, int positions, int chunk, int threads);

/// A part of the plan; `component` is for programs, `text` for people.
struct MemoryItem {
  const char* component;  ///< "weights", "embedding", "vectors", "header", "state", "kv_window", "kv_shared",
                          ///< "prefix_cache", "activations", "logits", "tokenizer", "program", "other"
  const char* text;
  const char* type;  ///< of the elements; "" where there is none
  int64_t bytes;
};

struct MemoryPlan {
  DType kv = DType::f16;
  CachePlan caches;
  int step_rows = 0;        ///< rows that a step has at most
  int64_t logit_bytes = 0;  ///< of the rows of logits
  std::vector<MemoryItem> items;
  int64_t total() const;
  int64_t bytes_of(std::string_view component) const;
};

/// What is resident at the peak, when every context is full: pages of files that are read count like memory.
MemoryPlan plan_memory(const ModelFootprint& model, const MemoryRequest& request);

/// Which of a command's options change its plan.
struct MemoryKnobs {
  const char* context = "-c";  ///< nullptr: fixed
  const char* kv = "--kv";     ///< nullptr: fixed
  const char* sequences = nullptr;
};
/// Holds a plan against a limit in bytes (0: none). Errors: out_of_memory, with what takes how much and which
/// options would make it fit.
Result<void> check_memory(const ModelFootprint& model, MemoryRequest request, int64_t limit,
                          const MemoryKnobs& knobs);
/// What a command runs that is more than one model: its plan for a request, and the longest context of all.
struct MemoryPlanner {
  int max_context = 0;
  std::function<MemoryPlan(const MemoryRequest&)> plan;
};
Result<void> check_memory(const MemoryPlanner& planner, MemoryRequest request, int64_t limit,
                          const MemoryKnobs& knobs);
/// The same for a plan that nobody can make smaller.
Result<void> check_memory(const MemoryPlan& plan, int64_t limit);

/// As many tokens for all sequences together as the limit (0: none) allows, from one context of
/// `request.positions` to one for each sequence. `request.total_positions` is ignored.
int64_t largest_total(const ModelFootprint& model, MemoryRequest request, int64_t limit);

/// Errors: invalid_argument, beginning with `option`, if `prefix_bytes` is not 0 and too little for one
/// state.
Result<void> check_prefix_bytes(const ModelFootprint& model, const MemoryRequest& request,
                                const char* option);

/// The longest context, in whole pages and at most the model's, whose plan stays within `limit`; 0 when none
/// does. `request.positions` is ignored.
int longest_context(const ModelFootprint& model, MemoryRequest request, int64_t limit);

}  // namespace sambay
