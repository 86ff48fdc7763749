// Tokenizer: opening the 200k vocabulary, and encoding different texts on one core.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <span>
#include <string>

#include "formats/gguf_writer.h"
#include "sambay/text.h"
#include "text/tokenizer_data.h"

namespace sambay {
namespace {

const std::string kJson = SAMBAY_SOURCE_DIR "/tests/golden/tokenizer/tokenizer.json";

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

const Tokenizer& tokenizer() {
  static const auto opened = Tokenizer::open(kJson);
  return **opened;
}

void BM_Open_json(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(Tokenizer::open(kJson));
}
BENCHMARK(BM_Open_json)->Unit(benchmark::kMillisecond);

/// from_text: merges looked up from their text, as in files of other programs.
void BM_Open_gguf(benchmark::State& state, bool from_text) {
  auto entries = tokenizer_to_gguf(*parse_tokenizer_json(read_file(kJson), kJson), 200064);
  if (from_text)
    std::erase_if(entries, [](const GgufEntry& e) { return e.key == "sambay.tokenizer.merge_ids"; });
  const std::string path = "/tmp/sambay_text_bench_" + std::to_string(::getpid()) + ".gguf";
  auto writer = GgufWriter::create(path, entries, {{"x", DType::f32, {8}}});
  if (!writer || !writer->write(std::array<std::byte, 32>{}) || !writer->commit())
    return state.SkipWithError("cannot write the file");
  for (auto _ : state) benchmark::DoNotOptimize(Tokenizer::open(path));
  std::remove(path.c_str());
}
BENCHMARK_CAPTURE(BM_Open_gguf, merge_ids, false)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(BM_Open_gguf, merge_texts, true)->Unit(benchmark::kMillisecond);

void encode(benchmark::State& state, const std::string& text) {
  for (auto _ : state) benchmark::DoNotOptimize(tokenizer().encode(text));
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(text.size()));
}

/// This project's own prose, over and over: what is seen again comes from the word cache, as it does in any
/// text of some length.
void BM_Encode_english(benchmark::State& state) {
  std::string prose, text;
  for (const char* file : {"README.md", "docs/architecture.md", "docs/file-format.md", "docs/model.md",
                           "docs/testing.md", "CONTRIBUTING.md"})
    prose += read_file(SAMBAY_SOURCE_DIR "/" + std::string(file));
  if (prose.empty()) return state.SkipWithError("no text");
  while (text.size() < static_cast<size_t>(state.range(0))) text += prose;
  text.resize(static_cast<size_t>(state.range(0)));
  encode(state, text);
}
BENCHMARK(BM_Encode_english)->ArgName("bytes")->Arg(100)->Arg(30'000)->Arg(4 << 20);

/// Every word different: the cache is of no use.
void BM_Encode_distinct_words(benchmark::State& state) {
  std::string text;
  for (uint64_t seed = 1; text.size() < (4 << 20);
       seed = seed * 6364136223846793005u + 1442695040888963407u) {
    text += ' ';
    for (int i = 0; i < 8; i++) text += static_cast<char>('a' + (seed >> (8 * i + 4)) % 26);
  }
  encode(state, text);
}
BENCHMARK(BM_Encode_distinct_words);

void BM_Encode_run(benchmark::State& state, const char* character) {
  std::string text;
  while (text.size() < static_cast<size_t>(state.range(0))) text += character;
  encode(state, text);
}
BENCHMARK_CAPTURE(BM_Encode_run, letter_a, "a")->ArgName("bytes")->Arg(1000)->Arg(16 << 20);
BENCHMARK_CAPTURE(BM_Encode_run, newline, "\n")->ArgName("bytes")->Arg(16 << 20);
BENCHMARK_CAPTURE(BM_Encode_run, ideograph, "\u4f60")->ArgName("bytes")->Arg(16 << 20);

void BM_Decode(benchmark::State& state) {
  const std::string text = read_file(SAMBAY_SOURCE_DIR "/docs/model.md");
  const auto ids = *tokenizer().encode(text);
  for (auto _ : state) {
    Detokenizer detokenizer(tokenizer());
    std::string out;
    for (TokenId id : ids) detokenizer.push(id, out);
    benchmark::DoNotOptimize(out);
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(text.size()));
}
BENCHMARK(BM_Decode);

}  // namespace
}  // namespace sambay
