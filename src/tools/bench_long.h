// A long generation put together from samples along the way.
#pragma once

#include <span>

#include "tools/bench.h"

namespace sambay {

/// Seconds to generate `tokens` tokens in each of several sequences. samples: decode results at ascending
/// depths from the prompt's length on; the time of a step is taken as linear between their middles, and
/// constant before the first and after the last. rate: of a sample, tokens per second of all its sequences.
double integrate_samples(std::span<const BenchResult> samples, int prompt, int tokens,
                         double (*rate)(const BenchResult& sample));

/// The whole run: all prompts one after another, then all tokens. prefill: of one prompt; samples as above,
/// at least one.
BenchResult long_result(const LongRun& run, const BenchResult& prefill, std::span<const BenchResult> samples);

}  // namespace sambay
