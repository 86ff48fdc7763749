#include "tools/imatrix.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/atomic_file.h"
#include "base/check.h"
#include "base/mapped_file.h"
#include "formats/checkpoint.h"
#include "formats/safetensors.h"
#include "model/memory_plan.h"
#include "model/model.h"
#include "model/sambay_config.h"
#include "model/tensor_table.h"
#include "ops/ops.h"
#include "text/tokenizer_data.h"
#include "text/tokenizer_memory.h"
#include "tools/single_sequence.h"

namespace sambay {
namespace {

constexpr int kStepRows =
    32;  // rows whose logits are asked for at once; those of a large vocabulary are large
constexpr int kMaxChunk = 1 << 20;

/// Another Ops, listened to: the squares of what goes into each product, by where the weights are stored.
class ListeningOps final : public Ops {
 public:
  explicit ListeningOps(Ops& ops) : ops_(ops) {}

  struct Squares {
    std::vector<double> sums;  // of each column
    int64_t rows = 0;
  };
  /// Null when nothing was multiplied with weights that are stored there.
  const Squares* of(const std::byte* weights) const {
    const auto found = squares_.find(weights);
    return found == squares_.end() ? nullptr : &found->second;
  }

  Result<Weight> place(const Weight& stored) override {
    SAMBAY_TRY(const Weight placed, ops_.place(stored), "laying out weights");
    stored_[placed.data] = stored.data;
    return placed;
  }
  void matmul(Rows<const float> x, const Linear& linear, Rows<float> y) override {
    const auto stored = stored_.find(linear.weight.data);
    Squares& squares = squares_[stored == stored_.end() ? linear.weight.data : stored->second];
    squares.sums.resize(static_cast<size_t>(x.cols));
    squares.rows += x.rows;
    for (int64_t t = 0; t < x.rows; t++)
      for (int64_t c = 0; c < x.cols; c++) {
        const auto value = static_cast<double>(x.row(t)[c]);
        squares.sums[static_cast<size_t>(c)] += value * value;
      }
    ops_.matmul(x, linear, y);
  }

  std::string_view name() const override { return ops_.name(); }
  int threads() const override { return ops_.threads(); }
  void embed(const Weight& table, std::span<const TokenId> tokens, Rows<float> y) override {
    ops_.embed(table, tokens, y);
  }
  void layer_norm(Rows<const float> x, const Norm& norm, Rows<float> y) override {
    ops_.layer_norm(x, norm, y);
  }
  void add(Rows<const float> y, Rows<float> x) override { ops_.add(y, x); }
  void silu_mul(Rows<const float> gate, Rows<const float> up, Rows<float> y) override {
    ops_.silu_mul(gate, up, y);
  }
  void gather_rows(Rows<const float> x, std::span<const int> rows, Rows<float> y) override {
    ops_.gather_rows(x, rows, y);
  }
  void conv1d(const Batch& batch, const CacheMemory& memory, const MambaState& state, const ConvWeights& w,
              Rows<const float> x, Rows<float> u) override {
    ops_.conv1d(batch, memory, state, w, x, u);
  }
  void selective_scan(const Batch& batch, const CacheMemory& memory, const MambaState& state,
                      const ScanWeights& w, Rows<const float> dt_raw, Rows<const float> u,
                      Rows<const float> b, Rows<const float> c, Rows<float> y) override {
    ops_.selective_scan(batch, memory, state, w, dt_raw, u, b, c, y);
  }
  void kv_append(const Batch& batch, const CacheMemory& memory, const KvLayer& kv, Rows<const float> k,
                 Rows<const float> v) override {
    ops_.kv_append(batch, memory, kv, k, v);
  }
  void diff_attention(const Batch& batch, const CacheMemory& memory, const KvLayer& kv, const DiffWeights& w,
                      RowIndex rows, Rows<const float> q, Rows<float> y) override {
    ops_.diff_attention(batch, memory, kv, w, rows, q, y);
  }

 private:
  Ops& ops_;
  std::unordered_map<const std::byte*, Squares> squares_;          // by where the weights are stored
  std::unordered_map<const std::byte*, const std::byte*> stored_;  // of where they were placed
};

Result<std::vector<TokenId>> text_ids(const ImatrixOptions& o, const Checkpoint& checkpoint, int vocab) {
  auto data = load_tokenizer_data(checkpoint);
  if (!data && data.error().code == ErrorCode::not_found)
    return fail(ErrorCode::unsupported, fmt::format("{}: this model has no tokenizer, without which it "
                                                    "cannot read a text",
                                                    checkpoint.name()));
  if (!data) return tl::unexpected(std::move(data).error());
  SAMBAY_TRY(const auto tokenizer, build_tokenizer(*std::move(data), checkpoint.name(), vocab), "tokenizer");
  SAMBAY_TRY(const MappedFile file, MappedFile::open(o.text_file), "--text");
  const std::string_view text(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
  SAMBAY_TRY(std::vector<TokenId> ids, tokenizer->encode(text), o.text_file);
  if (o.limit > 0 && static_cast<size_t>(o.limit) < ids.size()) ids.resize(static_cast<size_t>(o.limit));
  if (ids.empty()) return fail(ErrorCode::invalid_argument, fmt::format("--text: {} is empty", o.text_file));
  return ids;
}

/// Every row's logits are asked for: rows without would skip the second half of the model.
Result<void> read_text(const ImatrixOptions& o, std::span<const TokenId> ids, Model& model,
                       SingleSequence& sequence) {
  const auto vocab = static_cast<int64_t>(model.info().vocab);
  std::vector<float> logits(static_cast<size_t>(kStepRows * vocab));
  std::vector<int> wanted(kStepRows);
  std::iota(wanted.begin(), wanted.end(), 0);
  for (size_t done = 0; done < ids.size();) {
    if (o.should_stop && o.should_stop())
      return fail(ErrorCode::cancelled, "interrupted; nothing was written");
    const size_t in_piece = done % static_cast<size_t>(o.chunk);
    if (in_piece == 0) sequence.skip_to(0);
    const size_t rows = std::min(
        {static_cast<size_t>(kStepRows), static_cast<size_t>(o.chunk) - in_piece, ids.size() - done});
    sequence.run(ids.subspan(done, rows), {wanted.data(), rows},
                 {logits.data(), static_cast<int64_t>(rows), vocab});
    done += rows;
    if (o.progress) o.progress(static_cast<int64_t>(done), static_cast<int64_t>(ids.size()));
  }
  return {};
}

/// Of the column sums; a projection of queries, keys and values may be multiplied with in two parts.
int64_t sum_bytes(const SambaYConfig& config) {
  int64_t bytes = 0;
  for (const TensorSpec& spec : sambay_tensors(config))
    if (spec.is_matrix)
      bytes += static_cast<int64_t>(sizeof(double)) * spec.shape.back() * (spec.role == Role::qkv ? 2 : 1);
  return bytes;
}

/// The run has one sequence of a piece, with the logits of a step.
Result<void> check_run_memory(const ImatrixOptions& o, const Checkpoint& checkpoint) {
  SAMBAY_TRY(const ModelFootprint footprint, model_footprint(checkpoint), "loading model");
  MemoryRequest request;
  request.kv = DType::f16;
  request.positions = o.chunk;
  request.chunk = request.logit_rows = kStepRows;
  request.threads = o.threads;
  request.tokenizer_bytes = tokenizer_memory(checkpoint, footprint.vocab);
  SAMBAY_TRY(const SambaYConfig config, load_sambay_config(checkpoint), "loading model");
  request.other_bytes = saturating_add(text_memory(o.text_file), sum_bytes(config));
  return check_memory(footprint, request, o.memory_limit, {"-c", nullptr, nullptr});
}

}  // namespace

Result<ImatrixReport> write_imatrix(const ImatrixOptions& o) {
  if (o.chunk < 1 || o.chunk > kMaxChunk)
    return fail(ErrorCode::invalid_argument,
                fmt::format("-c {}: must be 1 to {} tokens", o.chunk, kMaxChunk));
  if (o.limit < 0)
    return fail(ErrorCode::invalid_argument, fmt::format("--limit {}: must be at least 0", o.limit));
  std::vector<std::string> inputs = checkpoint_files(o.model);
  inputs.push_back(o.text_file);
  SAMBAY_TRY_VOID(refuse_output_over_input("-o", o.out_file, inputs));
  SAMBAY_TRY(const std::unique_ptr<Ops> ops, make_cpu_ops({o.threads, o.isa}), "starting");
  SAMBAY_TRY(const Checkpoint checkpoint, Checkpoint::open(o.model), "loading model");
  SAMBAY_TRY_VOID(check_run_memory(o, checkpoint));
  SAMBAY_TRY(const SambaYConfig config, load_sambay_config(checkpoint), "loading model");
  SAMBAY_TRY(const std::vector<TokenId> ids, text_ids(o, checkpoint, config.vocab), "reading the text");
  ListeningOps listening(*ops);
  SAMBAY_TRY(const std::unique_ptr<Model> model, load_model(checkpoint, listening, {DType::f16}),
             "loading model");
  SAMBAY_TRY(SingleSequence sequence, SingleSequence::create(*model, DType::f16, o.chunk, kStepRows),
             "memory");

  const std::vector<TensorSpec> specs = sambay_tensors(config);
  SAMBAY_TRY(const std::vector<const TensorView*> views, match_tensors(checkpoint, specs), checkpoint.name());
  std::vector<SafetensorsWriter::Entry> entries;
  for (const TensorSpec& spec : specs)
    if (spec.is_matrix) entries.push_back({spec.gguf_name, DType::f32, {spec.shape.back()}});
  entries.push_back({"tokens", DType::i32, {1}});
  SAMBAY_TRY(SafetensorsWriter out, SafetensorsWriter::create(o.out_file, entries), "writing");
  SAMBAY_TRY_VOID(read_text(o, ids, *model, sequence));

  ImatrixReport report{static_cast<int64_t>(ids.size()), 0};
  for (size_t i = 0; i < specs.size(); i++) {
    if (!specs[i].is_matrix) continue;
    const ListeningOps::Squares* squares = listening.of(views[i]->bytes.data());
    SAMBAY_CHECK(squares != nullptr && squares->rows > 0, specs[i].gguf_name);
    std::vector<float> means;
    for (const double sum : squares->sums)
      means.push_back(static_cast<float>(sum / static_cast<double>(squares->rows)));
    for (size_t column = 0; column < means.size(); column++)
      if (!std::isfinite(means[column]))
        return fail(
            ErrorCode::corrupt,
            fmt::format("{}: its input {} is {} over this text; the model has numbers that are not finite",
                        specs[i].gguf_name, column, means[column]));
    SAMBAY_TRY_VOID(out.write(std::as_bytes(std::span(means))));
    report.matrices++;
  }
  const auto tokens = static_cast<int32_t>(std::min<int64_t>(report.tokens, INT32_MAX));
  SAMBAY_TRY_VOID(out.write(std::as_bytes(std::span(&tokens, 1))));
  SAMBAY_TRY_VOID(out.finish());
  return report;
}

}  // namespace sambay
