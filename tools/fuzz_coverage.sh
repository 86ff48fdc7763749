#!/usr/bin/env bash
# tools/fuzz_coverage.sh [BUILD]: which lines of each parser its fuzzer reaches from the seeds and from what tools/fuzz.sh kept.
# Fails when a parser is under 80 %. BUILD (default build/coverage) is configured and built here; the report of each target is in
# BUILD/report/NAME.txt, with the lines that were not reached.
set -u -o pipefail
program_name=coverage
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." || exit 1
source tools/packages.sh
source tools/build.sh
build=${1:-build/coverage} least=80

# target, the parser's own files, and with a minus the functions in them that do not parse: writers, and what reads from the disk
parsers() {
  cat <<'TABLE'
bench_csv         src/tools/bench_csv.cpp -read_bench_csv
card              src/formats/quality_card.cpp -load_quality_card
config            src/model/sambay_config_json.cpp
gguf              src/formats/gguf_reader.cpp src/formats/tensor_view.cpp
gguf_model        src/model/sambay_config.cpp src/text/gguf_tokenizer.cpp -sambay_config_to_gguf -sambay_preset -tokenizer_to_gguf -token_texts
ids               src/tools/ids.cpp -read_ids
load_prompts      src/loadgen/prompts.cpp src/loadgen/url.cpp -read_prompts -from -words_for -probe_body -words -add_ids
problems          src/tools/problems.cpp src/tools/work_check.cpp src/tools/arithmetic.cpp -read_problems
safetensors       src/formats/safetensors.cpp src/formats/tensor_view.cpp
safetensors_index src/formats/safetensors_index.cpp
server_head       src/server/http_text.cpp src/server/api_keys.cpp src/server/door.cpp -read_file -load -reason_phrase -is_same_origin -http_date
server_request    src/server/request_fields.cpp src/server/openai_types.cpp
sse               src/loadgen/sse_parser.cpp src/loadgen/answer_chunk.cpp
state_file        src/engine/state_file.cpp -write_state -cleaned_page -write -load
tokenizer_json    src/text/tokenizer_json.cpp src/text/tokenizer_sax.cpp
TABLE
}

# count REPORT [-FUNCTION]...: lines with code and lines reached, of a report by llvm-cov show.
count() {
  python3 - "$@" <<'PYTHON'
import re, sys

left_out = "|".join(re.escape(name[1:]) for name in sys.argv[2:]) or "(?!)"
lines = reached = 0
skipping = False
for row in open(sys.argv[1]):
    cells = re.match(r" *\d+\| *([\d.]*[kMGTE]?)\|(.*)", row)
    if not cells:
        continue
    times, code = cells.groups()
    if re.match(rf"[^ /#}}].*[ :]({left_out})\(", code):
        skipping = True
    if times and not skipping:
        lines += 1
        reached += times != "0"
    skipping = skipping and not code.startswith("}")
print(lines, reached)
PYTHON
}

fuzzers=()
for source in tests/fuzz/fuzz_*.cpp; do
  name=$(basename "$source" .cpp)
  fuzzers+=("$name")
  parsers | grep -q "^${name#fuzz_} " || { echo "$name is not in the table of tools/fuzz_coverage.sh" >&2; exit 1; }
done
lock_build
configure "$build" -DCMAKE_BUILD_TYPE=Debug -DCMAKE_C_COMPILER=clang-19 -DCMAKE_CXX_COMPILER=clang++-19 -DSAMBAY_FUZZ=ON \
  "-DCMAKE_CXX_FLAGS=-O1 -fprofile-instr-generate -fcoverage-mapping" || exit 1
build "$build" "${fuzzers[@]}" || exit 1
unlock_build
mkdir -p "$build/report"

passed=0 failed=0
printf '%-18s %7s %7s %9s\n' target lines reached share
while read -r name rest; do
  program=$build/tests/fuzz/fuzz_$name profile=$build/report/$name
  inputs=(tests/fuzz/corpus/"$name") files=() left_out=()
  [ -d "build/fuzz-corpus/$name" ] && inputs+=("build/fuzz-corpus/$name")
  for word in $rest; do
    case $word in -*) left_out+=("$word") ;; *) files+=("$word") ;; esac
  done
  rm -f "$profile".*
  if ! LLVM_PROFILE_FILE=$profile.profraw "$program" -runs=0 "${inputs[@]}" >"$profile.log" 2>&1 ||
    ! llvm-profdata-19 merge -o "$profile.profdata" "$profile.profraw" ||
    ! llvm-cov-19 show "$program" -instr-profile="$profile.profdata" -show-regions=false -show-instantiations=false "${files[@]}" >"$profile.txt"; then
    printf '%-18s could not be measured: %s.log\n' "$name" "$profile"
    failed=$((failed + 1))
    continue
  fi
  read -r lines reached < <(count "$profile.txt" ${left_out[@]+"${left_out[@]}"})
  verdict=''
  if [ "$lines" -gt 0 ] && [ $((reached * 100)) -ge $((lines * least)) ]; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1)) verdict="  under $least %: $profile.txt shows the lines with 0"
  fi
  printf '%-18s %7s %7s %7s %%%s\n' "$name" "$lines" "$reached" "$((lines > 0 ? reached * 100 / lines : 0))" "$verdict"
done < <(parsers)
printf '%s passed, %s failed\n' "$passed" "$failed"
[ "$failed" = 0 ]
