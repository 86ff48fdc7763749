#!/usr/bin/env bash
# tools/fuzz.sh [BUILD] [SECONDS] [TARGET]...: every fuzzer of tests/fuzz (or the named ones) for SECONDS (default 20), two at a
# time. BUILD is a build folder with SAMBAY_FUZZ=ON; without it build/asan is made. Each starts from the seeds in
# tests/fuzz/corpus/NAME and from what earlier runs found, kept in build/fuzz-corpus/NAME. A failing input stays in
# build/fuzz-failures, and its path is printed. The last line counts: "N passed, N failed".
set -u -o pipefail
program_name=fuzz
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." || exit 1

build='' seconds=20
if [ $# -gt 0 ] && [[ ! $1 =~ ^[0-9]+$ ]]; then build=${1%/} && shift; fi
if [ $# -gt 0 ]; then seconds=$1 && shift; fi
if [[ ! $seconds =~ ^[1-9][0-9]*$ ]] || [[ -n $build && ! -d $build ]]; then
  echo "usage: tools/fuzz.sh [BUILD] [SECONDS] [TARGET]...; SECONDS from 1, BUILD a folder that is there" >&2
  exit 2
fi

if [ -z "$build" ]; then
  build=build/asan
  source tools/packages.sh
  source tools/build.sh
  lock_build
  configure $build -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_C_COMPILER=clang-19 -DCMAKE_CXX_COMPILER=clang++-19 \
    -DSAMBAY_SANITIZE=address,undefined,fuzzer-no-link -DSAMBAY_TESTS=ON -DSAMBAY_FUZZ=ON -DSAMBAY_WERROR=ON || exit 1
  fuzzers=()
  for source in tests/fuzz/fuzz_*.cpp; do fuzzers+=("$(basename "$source" .cpp)"); done
  build $build "${fuzzers[@]}" || exit 1
  unlock_build
fi

targets=("$@")
if [ ${#targets[@]} = 0 ]; then
  for source in tests/fuzz/fuzz_*.cpp; do
    name=$(basename "$source" .cpp)
    targets+=("${name#fuzz_}")
  done
fi
failures=build/fuzz-failures logs=build/fuzz-logs
mkdir -p $failures $logs

# fuzz NAME: one fuzzer, its output in a log. A fuzzer without seeds is a mistake: it would find little in 20 s.
fuzz() {
  local name=$1 log=$logs/$1.log program=$build/tests/fuzz/fuzz_$1 kept=build/fuzz-corpus/$1 seeds=tests/fuzz/corpus/$1
  rm -f "$log"
  [ -x "$program" ] || { echo "there is no $program" >"$log"; return 1; }
  [ -n "$(ls -A "$seeds" 2>/dev/null)" ] || { echo "there are no seeds in $seeds" >"$log"; return 1; }
  mkdir -p "$kept"
  local dictionary=tests/fuzz/dict/$name.dict
  [ -f "$dictionary" ] && dictionary=-dict=$dictionary || dictionary=-seed=0
  UBSAN_OPTIONS=print_stacktrace=1 "$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
    -print_final_stats=1 "$dictionary" -artifact_prefix="$failures/$name-" "$kept" "$seeds" >"$log" 2>&1
}

# report NAME STATUS
passed=0 failed=0
report() {
  local name=$1 log=$logs/$1.log executions
  executions=$(grep -oP 'stat::number_of_executed_units: +\K[0-9]+' "$log" 2>/dev/null)
  if [ "$2" = 0 ] && [ "${executions:-0}" -gt 0 ]; then
    passed=$((passed + 1))
    printf '%-20s ok      %9s executions, %s inputs kept\n' "$name" "$executions" "$(find "build/fuzz-corpus/$name" -type f | wc -l)"
    return
  fi
  failed=$((failed + 1))
  printf '%-20s FAILED  input: %s; log: %s\n' "$name" \
    "$(grep -oP 'Test unit written to \K.*' "$log" 2>/dev/null | tail -n 1 | grep . || echo none)" "$log"
  tail -n 40 "$log"
}

for ((i = 0; i < ${#targets[@]}; i += 2)); do
  pair=("${targets[@]:i:2}") ids=()
  for name in "${pair[@]}"; do
    fuzz "$name" &
    ids+=($!)
  done
  for j in "${!pair[@]}"; do
    status=0
    wait "${ids[j]}" || status=$?
    report "${pair[j]}" $status
  done
done
printf '%s passed, %s failed\n' "$passed" "$failed"
[ "$failed" = 0 ]
