#include "ops/cpu_attention.h"

#include <fmt/core.h>

#include <cmath>

#include "base/check.h"

namespace sambay {
namespace {

constexpr int64_t kLineFloats = 16;  // of a cache line

int64_t storage_floats(int64_t pairs, int64_t head_dim, int threads) {
  return threads * attention_thread_floats(pairs, head_dim) + kLineFloats;
}

}  // namespace

int64_t cpu_attention_bytes(int64_t pairs, int64_t head_dim, int threads) {
  return storage_floats(pairs, head_dim, threads) * static_cast<int64_t>(sizeof(float));
}

void CpuAttention::run(const AttentionCall& call) {
  const KvGroup& group = call.kv.layout->group;
  SAMBAY_CHECK(call.q.rows == call.y.rows && call.q.cols == call.y.cols && group.unit_heads == 2 &&
                   call.q.cols % (2 * group.head_dim * group.units()) == 0,
               fmt::format("diff_attention: q [{}, {}]", call.q.rows, call.q.cols));
  split_.assign(call.batch, call.rows, group.window, group.units(), pool_.thread_count());
  SAMBAY_CHECK(split_.row_count() == call.q.rows,
               fmt::format("{} rows for {} queries", split_.row_count(), call.q.rows));
  args_ = shared_args(call);
  reserve();
  pool_.run([&](int thread) { run_part(call, thread); });
  join_parts(call);
}

AttentionArgs CpuAttention::shared_args(const AttentionCall& call) const {
  const KvLayout& layout = *call.kv.layout;
  const KvGroup& group = layout.group;
  AttentionArgs args{};
  args.pairs = static_cast<int>(call.q.cols / group.units() / (2 * group.head_dim));
  args.head_dim = group.head_dim;
  args.q_stride = call.q.stride, args.y_stride = call.y.stride;
  args.window = group.window;
  args.pool = reinterpret_cast<const uint8_t*>(call.memory.pages[call.kv.group]);
  args.page_bytes = layout.page_bytes, args.plane_bytes = layout.plane_bytes;
  args.row_bytes = layout.row_bytes;
  args.scale = 1.0f / std::sqrt(static_cast<float>(group.head_dim));
  const DiffWeights& w = call.weights;
  args.lambda = w.lambda, args.eps = w.eps, args.out_scale = w.out_scale, args.sub_norm = w.sub_norm;
  return args;
}

/// From `place` to the end of its unit; sums in the thread's memory.
AttentionArgs CpuAttention::args_of(const AttentionCall& call, AttentionPlace place, int thread) {
  const AttentionBlock& block = split_.blocks()[place.block];
  const int64_t unit_q = call.q.cols / split_.units();
  AttentionArgs args = args_;
  args.q = call.q.row(block.first_row) + place.unit * unit_q;
  args.y = call.y.row(block.first_row) + place.unit * unit_q;
  args.rows = block.rows, args.position = block.position;
  args.chunk_tokens = block.chunk_tokens;
  args.first_chunk = place.chunk, args.last_chunk = block.last_chunk;
  args.pages = block.sequence->pages[call.kv.group].data();
  args.key_plane = call.kv.layout->key_plane(call.kv.layer, place.unit);
  args.sums = memory_of(thread);
  args.scratch = apart_of(thread) + kAttentionApart * sum_floats_;
  return args;
}

void CpuAttention::run_part(const AttentionCall& call, int thread) {
  const auto attend = kernels_.attend[static_cast<size_t>(call.kv.layout->type)];
  const AttentionPlace end = split_.begin_of(thread + 1);
  AttentionPlace at = split_.begin_of(thread);
  while (at < end) {
    const AttentionBlock& block = split_.blocks()[at.block];
    AttentionArgs args = args_of(call, at, thread);
    if (at.is_in_unit_of(end)) args.last_chunk = end.chunk;
    // Whoever has the unit's first chunk adds up; the others keep their chunks apart for him.
    args.keep_apart = at.chunk > block.first_chunk;
    if (args.keep_apart) args.sums = apart_of(thread);
    attend(args);
    if (!args.keep_apart && args.last_chunk == block.last_chunk) kernels_.attention_finish(args);
    if (at.is_in_unit_of(end)) break;
    at = split_.unit_after(at);
  }
}

void CpuAttention::join_parts(const AttentionCall& call) {
  for (int owner = 0; owner < pool_.thread_count(); owner++) {
    AttentionPlace at = split_.begin_of(owner + 1);
    if (at.block == split_.blocks().size()) break;
    const AttentionBlock& block = split_.blocks()[at.block];
    const AttentionPlace start = {at.block, at.unit, block.first_chunk};
    if (!(start < at) || start < split_.begin_of(owner)) continue;  // not cut here, or another's
    AttentionArgs args = args_of(call, start, owner);
    for (int thread = owner + 1; at.is_in_unit_of(start); thread++) {
      const AttentionPlace next = split_.begin_of(thread + 1);
      args.first_chunk = at.chunk, args.last_chunk = next.is_in_unit_of(at) ? next.chunk : block.last_chunk;
      kernels_.attention_add(args, apart_of(thread));
      at = next;
    }
    kernels_.attention_finish(args);
  }
}

void CpuAttention::reserve() {
  const int threads = pool_.thread_count();
  sum_floats_ = attention_sum_floats(args_.pairs, args_.head_dim);
  thread_floats_ = attention_thread_floats(args_.pairs, args_.head_dim);
  const auto floats = static_cast<size_t>(storage_floats(args_.pairs, args_.head_dim, threads));
  if (storage_.size() < floats) storage_.assign(floats, 0.0f);
  const auto misplaced = reinterpret_cast<uintptr_t>(storage_.data()) / sizeof(float) % kLineFloats;
  memory_ = storage_.data() + (kLineFloats - misplaced) % kLineFloats;
}

}  // namespace sambay
