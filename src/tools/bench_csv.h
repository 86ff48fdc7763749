// The CSV of `sambay bench`, read back.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sambay/error.h"

namespace sambay {

/// One line: the columns that pictures are made of. Others are ignored, whatever their order.
struct BenchRow {
  std::string model, type, kv, isa, test;
  int threads = 0, prompt = 0, depth = 0, batch = 1, tokens = 0;
  double tokens_per_s = 0;  ///< median; positive
  std::optional<double> ttft_ms;
  double bytes_per_token = 0, multiply_adds_per_token = 0;
  double read_bytes_per_s = 0, int8_per_s = 0;
};

/// At most 64 MiB and 100,000 lines. Files of several runs may be put together: lines that repeat the head
/// are skipped. Errors: corrupt, with line and column.
Result<std::vector<BenchRow>> parse_bench_csv(std::string_view text, std::string_view name);
/// The same of a file. Errors: those of opening it, too.
Result<std::vector<BenchRow>> read_bench_csv(const std::string& path);

}  // namespace sambay
