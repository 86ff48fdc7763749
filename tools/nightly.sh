#!/usr/bin/env bash
# tools/nightly.sh [HOURS]: what takes too long for ./check: all tests under the address sanitizer, clang-tidy over everything, the
# thread sanitizer (a server with many clients, too), all requests of the equality tests, the server under load, the kernels on ARM, the fuzzers for HOURS (default 4) in all,
# which lines they reach, that the micro-benchmarks run, and the trainer, which needs PyTorch. The last line
# counts: "N passed, N failed".
set -u -o pipefail
program_name=nightly
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." || exit 1
source tools/packages.sh
source tools/build.sh
hours=${1:-4}
[[ $hours =~ ^[0-9]+$ ]] || { echo "usage: tools/nightly.sh [HOURS]" >&2; exit 2; }
passed=0 failed=0

# part NAME COMMAND...: each is one check; a failure does not keep the others from running.
part() {
  local name=$1 started=$SECONDS
  shift
  say "$name"
  if "$@"; then
    passed=$((passed + 1)) && say "$name: ok, $((SECONDS - started)) s"
  else
    failed=$((failed + 1)) && say "$name: FAILED, $((SECONDS - started)) s"
  fi
}

tidy() {
  configure build/tidy -DCMAKE_BUILD_TYPE=Release -DCMAKE_C_COMPILER=clang-19 -DCMAKE_CXX_COMPILER=clang++-19 -DSAMBAY_TESTS=ON &&
    git ls-files 'src/*.cpp' 'tests/*_test.cpp' | xargs -P "$(nproc)" -n 4 clang-tidy-19 -p build/tidy --quiet 2>build/tidy/stderr.log
}

tsan() {
  configure build/tsan -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_C_COMPILER=clang-19 -DCMAKE_CXX_COMPILER=clang++-19 \
    -DSAMBAY_SANITIZE=thread -DSAMBAY_TESTS=ON &&
    build build/tsan && TSAN_OPTIONS=halt_on_error=1 ctest --test-dir build/tsan --output-on-failure --no-tests=error -j "$(nproc)" \
    -R '^(Engine|Sharing|Requests|Equality|Generation|CachePools|PrefixCache|ThreadPool)'
}

# Every case of the equality tests, of which ./check takes a part, on the fast kernels.
equality() {
  configure build "${release_options[@]}" -DSAMBAY_TESTS=ON -DSAMBAY_WERROR=ON && build build engine_tests &&
    SAMBAY_EQUALITY_CASES=200 build/tests/engine_tests --gtest_filter='EqualityTest.*' --gtest_brief=1
}

fuzz() {
  local targets seconds
  configure build/asan -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_C_COMPILER=clang-19 -DCMAKE_CXX_COMPILER=clang++-19 \
    -DSAMBAY_SANITIZE=address,undefined,fuzzer-no-link -DSAMBAY_TESTS=ON -DSAMBAY_FUZZ=ON -DSAMBAY_WERROR=ON && build build/asan || return 1
  targets=$(find tests/fuzz -name 'fuzz_*.cpp' | wc -l)
  seconds=$((hours * 3600 * 2 / targets))  # tools/fuzz.sh runs two at a time
  tools/fuzz.sh build/asan $((seconds > 20 ? seconds : 20))
}

# Sixty-four clients that mix everything for five minutes, with a server under the thread sanitizer; what it reports ends the server.
tsan_load() {
  configure build/tsan -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_C_COMPILER=clang-19 -DCMAKE_CXX_COMPILER=clang++-19 \
    -DSAMBAY_SANITIZE=thread -DSAMBAY_TESTS=ON &&
    build build/tsan sambay && TSAN_OPTIONS=halt_on_error=1 python3 -B tests/server/load_checks.py build/tsan/sambay mix 300
}

# The program as it is shipped: nothing grows over 100,000 requests, and slow clients do not make others wait.
server_load() {
  configure build "${release_options[@]}" && build build sambay &&
    python3 -B tests/server/load_checks.py build/sambay tiny 100000 && python3 -B tests/server/load_checks.py build/sambay slow
}

# The trainer with Debian's PyTorch: its tests. Those of its GPU code need Triton, which PyPI's PyTorch brings and Debian's does not: they say that they were skipped.
trainer() {
  local venv=build/train-venv
  [ -f $venv/.complete ] || {
    rm -rf $venv && /usr/bin/python3 -m venv --system-site-packages $venv && $venv/bin/pip install --quiet -r train/requirements.txt && touch $venv/.complete
  } || return 1
  $venv/bin/python -B -m unittest discover -s tests/train -t tests/train
}

# Each for a moment: they must build and run, what they measure here means nothing.
microbenchmarks() {
  local program
  configure build/bench -DCMAKE_BUILD_TYPE=Release -DCMAKE_C_COMPILER=gcc -DCMAKE_CXX_COMPILER=g++ -DSAMBAY_BENCH=ON -DSAMBAY_WERROR=ON &&
    build build/bench bench/all || return 1
  for program in build/bench/bench/*_bench; do
    "$program" --benchmark_min_time=0.001 >"$program.out" || return 1
    if grep -q ERROR "$program.out"; then cat "$program.out"; return 1; fi
  done
}

install_packages "${build_packages[@]}" "${check_packages[@]}" "${bench_packages[@]}" python3-torch g++-aarch64-linux-gnu qemu-user-static googletest slowhttptest || exit 1
part "all tests under the address and undefined-behaviour sanitizers" ./check asan-build asan-tests
lock_build
part "clang-tidy over everything" tidy
part "thread sanitizer: engine, pool and equality tests" tsan
part "the same bits in any company: all 200 requests" equality
part "thread sanitizer: 64 clients for five minutes" tsan_load
part "the server over 100,000 requests, and under slow clients" server_load
part "kernels on 64-bit ARM, in qemu" tools/check_arm.sh
part "fuzzing for $hours hours" fuzz
part "micro-benchmarks, each for a moment" microbenchmarks
part "the trainer, with Debian's PyTorch" trainer
part "lines that the fuzzers reach" tools/fuzz_coverage.sh
printf '%s passed, %s failed\n' "$passed" "$failed"
[ "$failed" = 0 ]
