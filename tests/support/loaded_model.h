// A checkpoint, ops and model that belong together, and ways to run it.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "formats/checkpoint.h"
#include "model/model.h"
#include "ops/ops.h"
#include "tools/logits.h"
#include "tools/single_sequence.h"

namespace sambay::test {

struct LoadedModel {
  LoadedModel(const std::string& path, const std::string& isa, DType kv_type, int threads = 1) : kv(kv_type) {
    auto made = make_cpu_ops({threads, isa, false});
    auto opened = Checkpoint::open(path);
    if (!made || !opened) {
      ADD_FAILURE() << (made ? opened.error().message : made.error().message);
      std::abort();
    }
    ops = *std::move(made);
    checkpoint = std::make_unique<Checkpoint>(*std::move(opened));
    auto loaded = load_model(*checkpoint, *ops, {kv});
    if (!loaded) {
      ADD_FAILURE() << loaded.error().message;
      std::abort();
    }
    model = *std::move(loaded);
  }

  int vocab() const { return model->info().vocab; }
  SingleSequence sequence(int positions, int max_step = 4096) const {
    return *SingleSequence::create(*model, kv, positions, max_step);
  }

  /// Logits of every row, the prompt fed in steps of `chunk`.
  std::vector<float> all_logits(std::span<const TokenId> ids, int chunk, const Probe* probe = nullptr) const {
    SingleSequence s = sequence(static_cast<int>(ids.size()), chunk);
    return feed(s, ids, chunk, probe);
  }
  std::vector<float> feed(SingleSequence& s, std::span<const TokenId> ids, int chunk,
                          const Probe* probe = nullptr) const {
    std::vector<float> logits(ids.size() * static_cast<size_t>(vocab()));
    for (size_t done = 0; done < ids.size();) {
      const size_t rows = std::min(ids.size() - done, static_cast<size_t>(chunk));
      std::vector<int> wanted(rows);
      std::iota(wanted.begin(), wanted.end(), 0);
      s.run(ids.subspan(done, rows), wanted,
            {logits.data() + done * static_cast<size_t>(vocab()), static_cast<int64_t>(rows), vocab()},
            probe);
      done += rows;
    }
    return logits;
  }
  /// Logits of the last row only, by the prefill shortcut.
  std::vector<float> last_logits(SingleSequence& s, std::span<const TokenId> ids, int chunk) const {
    std::vector<float> logits(static_cast<size_t>(vocab()));
    for (size_t done = 0; done < ids.size();) {
      const size_t rows = std::min(ids.size() - done, static_cast<size_t>(chunk));
      const int last = static_cast<int>(rows) - 1;
      const bool is_end = done + rows == ids.size();
      s.run(ids.subspan(done, rows), std::span(&last, is_end ? 1 : 0),
            {logits.data(), is_end ? 1 : 0, vocab()});
      done += rows;
    }
    return logits;
  }

  DType kv;
  std::unique_ptr<Ops> ops;
  std::unique_ptr<Checkpoint> checkpoint;
  std::unique_ptr<Model> model;
};

}  // namespace sambay::test
