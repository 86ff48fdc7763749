#include "eval/compare.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>
#include <vector>

#include "base/mapped_file.h"
#include "convert/convert.h"
#include "eval/scratch_folder.h"
#include "eval/teacher_forced.h"
#include "model/sambay_config.h"
#include "tensor/packed_weight.h"
#include "text/tokenizer_data.h"
#include "text/tokenizer_difference.h"
#include "text/tokenizer_memory.h"

namespace sambay {
namespace {

constexpr int kMaxChunk = 1 << 20;
using SharedCheckpoint = std::shared_ptr<const Checkpoint>;

Result<void> check(const CompareOptions& o) {
  if (o.chunk < 2 || o.chunk > kMaxChunk)
    return fail(ErrorCode::invalid_argument,
                fmt::format("-c {}: must be 2 to {} tokens", o.chunk, kMaxChunk));
  if (o.limit < 0 || o.limit == 1)
    return fail(ErrorCode::invalid_argument,
                fmt::format("--limit {}: must be 2 or more tokens, or 0 for all", o.limit));
  return {};
}

Result<SharedCheckpoint> open_checkpoint(const std::string& path) {
  SAMBAY_TRY(Checkpoint opened, Checkpoint::open(path), "loading model");
  return std::make_shared<const Checkpoint>(std::move(opened));
}

ConvertOptions conversion(const CompareSide& side, const CompareOptions& o) {
  ConvertOptions to;
  to.model = side.model;
  to.type = *side.type;
  to.threads = o.threads;
  to.should_stop = o.should_stop;
  to.progress = o.converting;
  return to;
}

/// Converts where a side asks for another type; models of one path are opened once.
class Models {
 public:
  Result<SharedCheckpoint> open(const CompareSide& side, const char* name, const CompareOptions& o) {
    std::string path = side.model;
    if (side.type) {
      if (!scratch_) {
        SAMBAY_TRY(ScratchFolder made, ScratchFolder::temporary(), "converting");
        scratch_ = std::make_unique<ScratchFolder>(std::move(made));
      }
      path = scratch_->file(fmt::format("{}.gguf", name));
      ConvertOptions to = conversion(side, o);
      to.out_file = path;
      SAMBAY_TRY(const ConvertReport converted, convert(to), "converting");
    }
    if (opened_ && path == path_) return opened_;
    SAMBAY_TRY(opened_, open_checkpoint(path), name);
    path_ = path;
    return opened_;
  }

 private:
  std::unique_ptr<ScratchFolder> scratch_;
  SharedCheckpoint opened_;  // the last one, and its path
  std::string path_;
};

Result<TokenizerData> tokenizer_of(const Checkpoint& checkpoint) {
  Result<TokenizerData> data = load_tokenizer_data(checkpoint);
  if (!data && data.error().code == ErrorCode::not_found)
    return fail(ErrorCode::unsupported, fmt::format("{}: this model has no tokenizer, without which it "
                                                    "cannot read a text",
                                                    checkpoint.name()));
  return data;
}

/// The ids of the text as both models have them. Errors: unsupported when they do not have the same.
Result<std::vector<TokenId>> encode_text(const CompareOptions& o, const Checkpoint& a, const Checkpoint& b) {
  SAMBAY_TRY(const SambaYConfig config_a, load_sambay_config(a), "A");
  SAMBAY_TRY(const SambaYConfig config_b, load_sambay_config(b), "B");
  SAMBAY_TRY(TokenizerData data, tokenizer_of(a), "A");
  if (&a != &b) {
    SAMBAY_TRY(const TokenizerData other, tokenizer_of(b), "B");
    std::string difference = tokenizer_difference(data, other);
    if (difference.empty() && config_a.vocab != config_b.vocab)
      difference = fmt::format("a vocabulary of {} here and {} there", config_a.vocab, config_b.vocab);
    if (!difference.empty())
      return fail(ErrorCode::unsupported, fmt::format("A ({}) and B ({}) must have the same tokenizer: {}",
                                                      a.name(), b.name(), difference));
  }
  SAMBAY_TRY(const auto tokenizer, build_tokenizer(std::move(data), a.name(), config_a.vocab), "tokenizer");
  SAMBAY_TRY(const MappedFile file, MappedFile::open(o.text_file), "--text");
  const std::string_view text(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
  SAMBAY_TRY(std::vector<TokenId> ids, tokenizer->encode(text), o.text_file);
  if (o.limit > 0 && static_cast<size_t>(o.limit) < ids.size()) ids.resize(static_cast<size_t>(o.limit));
  if (ids.size() < 2)
    return fail(ErrorCode::invalid_argument,
                fmt::format("--text: {} has {} tokens; at least two are needed, the first to predict the "
                            "second from",
                            o.text_file, ids.size()));
  return ids;
}

CompareReport::Side describe(const CompareSide& side, const Checkpoint& checkpoint, const Ops& ops) {
  CompareReport::Side out;
  out.model = side.model.empty() ? "embedded" : side.model;
  out.type = stored_mix_name(checkpoint);
  out.kv = dtype_info(side.kv).name;
  out.isa = std::string(ops.name().substr(ops.name().find('/') + 1));
  return out;
}

Result<ModelFootprint> footprint_of(const CompareSide& side, const Checkpoint& stored,
                                    const CompareOptions& o) {
  return side.type ? converted_footprint(conversion(side, o)) : model_footprint(stored);
}

/// What a second model loaded from the same file adds: pages of the file count once, but panels are laid out
/// by each.
ModelFootprint second_of_one_file(ModelFootprint model) {
  for (const DTypeInfo& info : all_dtypes())
    if (!packed_format(info.type)) model.weight_bytes[static_cast<size_t>(info.type)] = 0;
  if (!packed_format(model.embedding_type)) model.embedding_bytes = 0;
  model.header_bytes = 0;
  return model;
}

/// Both sides as they will run and the text, held against the limit before anything is converted.
Result<void> check_both(const CompareOptions& o) {
  if (o.memory_limit == 0) return {};
  SAMBAY_TRY(const SharedCheckpoint stored_a, open_checkpoint(o.a.model), "A");
  SAMBAY_TRY(const SharedCheckpoint stored_b, open_checkpoint(o.b.model), "B");
  SAMBAY_TRY(const ModelFootprint first, footprint_of(o.a, *stored_a, o), "A");
  SAMBAY_TRY(ModelFootprint second, footprint_of(o.b, *stored_b, o), "B");
  if (o.a.model == o.b.model && !o.a.type && !o.b.type) second = second_of_one_file(second);
  MemoryRequest asked = TeacherForced::memory_request(o.b.kv, o.chunk, o.threads);  // of B: --kv-b is advised
  asked.tokenizer_bytes = tokenizer_memory(*stored_a, first.vocab);
  asked.other_bytes = text_memory(o.text_file);
  const auto plan = [&](const MemoryRequest& request) {
    MemoryPlan both = plan_memory(second, request);
    MemoryRequest of_a = TeacherForced::memory_request(o.a.kv, request.positions, request.threads);
    add_model(both, plan_memory(first, of_a));
    return both;
  };
  const int max_context = std::min(first.max_context, second.max_context);
  return check_memory({max_context, plan}, asked, o.memory_limit, {"-c", "--kv-b", nullptr});
}

class Comparison {
 public:
  Comparison(const CompareOptions& options, TeacherForced a, TeacherForced b, CompareReport& report)
      : o_(options), a_(std::move(a)), b_(std::move(b)), report_(report) {}

  /// One piece of the text; the last token is only predicted.
  Result<void> piece(std::span<const TokenId> ids, int64_t offset) {
    a_.begin();
    b_.begin();
    for (size_t at = 0; at + 1 < ids.size();) {
      if (o_.should_stop && o_.should_stop()) return fail(ErrorCode::cancelled, "interrupted");
      const size_t rows = std::min<size_t>(TeacherForced::kRows, ids.size() - 1 - at);
      for (TeacherForced* side : {&a_, &b_}) side->feed(ids.subspan(at, rows), static_cast<int>(rows));
      for (size_t i = 0; i < rows; i++)
        SAMBAY_TRY_VOID(
            position(static_cast<int>(i), ids[at + i + 1], offset + static_cast<int64_t>(at + i)));
      at += rows;
      if (o_.progress) o_.progress(offset + static_cast<int64_t>(at) + 1, report_.tokens);
    }
    return {};
  }

 private:
  Result<void> position(int row, TokenId next, int64_t at) {
    const LogitRow a(a_.row(row)), b(b_.row(row));
    for (const auto& [name, log_sum] : {std::pair{"A", a.log_sum}, std::pair{"B", b.log_sum}})
      if (!std::isfinite(log_sum))
        return fail(ErrorCode::corrupt,
                    fmt::format("{}: the logits after token {} of the text are not finite; `sambay info "
                                "--check` looks for such weights",
                                name, at));
    report_.a.nll.add(a.negative_log(next));
    report_.b.nll.add(b.negative_log(next));
    report_.nll_difference.add(b.negative_log(next) - a.negative_log(next));
    report_.divergence.add(a, b);
    report_.predicted++;
    return {};
  }

  const CompareOptions& o_;
  TeacherForced a_, b_;
  CompareReport& report_;
};

}  // namespace

double CompareReport::Side::perplexity() const { return std::exp(nll.mean()); }
double CompareReport::Side::standard_error() const { return perplexity() * nll.standard_error(); }

Result<CompareReport> compare_models(const CompareOptions& o) {
  SAMBAY_TRY_VOID(check(o));
  SAMBAY_TRY(const std::unique_ptr<Ops> ops_a, make_cpu_ops({o.threads, o.a.isa}), "A");
  SAMBAY_TRY(const std::unique_ptr<Ops> ops_b, make_cpu_ops({o.threads, o.b.isa}), "B");
  SAMBAY_TRY_VOID(check_both(o));
  Models models;
  SAMBAY_TRY(const SharedCheckpoint a, models.open(o.a, "A", o), "compare");
  SAMBAY_TRY(const SharedCheckpoint b, models.open(o.b, "B", o), "compare");
  SAMBAY_TRY(const std::vector<TokenId> ids, encode_text(o, *a, *b), "compare");

  CompareReport report;
  report.a = describe(o.a, *a, *ops_a);
  report.b = describe(o.b, *b, *ops_b);
  report.chunk = o.chunk;
  report.tokens = static_cast<int64_t>(ids.size());
  const int positions = static_cast<int>(std::min<size_t>(ids.size(), static_cast<size_t>(o.chunk)));
  SAMBAY_TRY(TeacherForced side_a, TeacherForced::open(a, *ops_a, o.a.kv, positions), "A");
  SAMBAY_TRY(TeacherForced side_b, TeacherForced::open(b, *ops_b, o.b.kv, positions), "B");
  Comparison comparison(o, std::move(side_a), std::move(side_b), report);
  for (size_t at = 0; at < ids.size(); at += static_cast<size_t>(o.chunk)) {
    const size_t length = std::min(ids.size() - at, static_cast<size_t>(o.chunk));
    SAMBAY_TRY_VOID(comparison.piece(std::span(ids).subspan(at, length), static_cast<int64_t>(at)));
  }
  return report;
}

}  // namespace sambay
