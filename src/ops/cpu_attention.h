// Differential attention on the CPU: calls the kernels, each thread a part of the work, and adds up what was
// cut.
#pragma once

#include <cstdint>
#include <vector>

#include "base/thread_pool.h"
#include "ops/attention_split.h"

namespace sambay {

/// What Ops::diff_attention was asked for.
struct AttentionCall {
  const Batch& batch;
  const CacheMemory& memory;
  const KvLayer& kv;
  const DiffWeights& weights;
  RowIndex rows;
  Rows<const float> q;
  Rows<float> y;
};

/// One thread at a time may call run().
class CpuAttention {
 public:
  CpuAttention(const CpuKernels& kernels, ThreadPool& pool) : kernels_(kernels), pool_(pool) {}
  void run(const AttentionCall& call);

 private:
  AttentionArgs shared_args(const AttentionCall& call) const;
  AttentionArgs args_of(const AttentionCall& call, AttentionPlace place, int thread);
  void run_part(const AttentionCall& call, int thread);
  void join_parts(const AttentionCall& call);
  void reserve();
  /// A thread's memory: [kAttentionRows] sums of the rows at hand, [kAttentionApart] sums kept apart,
  /// scratch.
  float* memory_of(int thread) { return memory_ + thread * thread_floats_; }
  float* apart_of(int thread) { return memory_of(thread) + kAttentionRows * sum_floats_; }

  const CpuKernels& kernels_;
  ThreadPool& pool_;
  AttentionSplit split_;
  AttentionArgs args_{};
  std::vector<float> storage_;
  float* memory_ = nullptr;  // in storage_, aligned
  int64_t thread_floats_ = 0, sum_floats_ = 0;
};

/// Bytes that it keeps.
int64_t cpu_attention_bytes(int64_t pairs, int64_t head_dim, int threads);

}  // namespace sambay
