#!/usr/bin/env bash
# tools/check_arm.sh [BUILD, default build/arm]: the program and the tests of the kernels, ops, tensors and the model (its golden and
# equality tests) on 64-bit ARM, cross-compiled and run by qemu; and an answer of the program. The kernels once more as older CPUs run
# them: with dot products, and with neither those nor matrix products. Installs Debian's arm64 packages beside this machine's own.
# The last line counts: "N passed, N failed".
set -u -o pipefail
program_name=check_arm
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." || exit 1
source tools/packages.sh
source tools/build.sh
build=${1:-build/arm}
passed=0 failed=0

# The libraries that the program is linked with, of the other architecture.
libraries=(libfmt-dev:arm64 libpcre2-dev:arm64 libxxhash-dev:arm64 libssl-dev:arm64 libgtest-dev:arm64 libgmock-dev:arm64)
install_packages "${build_packages[@]}" g++-aarch64-linux-gnu qemu-user-static libgtest-dev libgmock-dev || exit 1
if [ "$(dpkg-query -W -f='${db:Status-Status}\n' "${libraries[@]}" 2>/dev/null | grep -cx installed)" != ${#libraries[@]} ]; then
  as_root dpkg --add-architecture arm64 || exit 1
  install_packages "${libraries[@]}" || exit 1
fi

lock_build
configure "$build" -DCMAKE_TOOLCHAIN_FILE="$PWD/cmake/aarch64-linux-gnu.cmake" -DCMAKE_BUILD_TYPE=Release -DSAMBAY_TESTS=ON -DSAMBAY_WERROR=ON &&
  build "$build" sambay kernels_tests tensor_tests ops_tests model_tests || exit 1

# on CPU PROGRAM [ARGUMENT]...: a test program as that CPU runs it; its tests are counted.
on() {
  local cpu=$1 program=$2 report=$build/$1-${2##*/}.xml total bad
  shift 2
  rm -f "$report"
  say "${program##*/} on $cpu"
  qemu-aarch64-static -cpu "$cpu" "$program" --gtest_brief=1 --gtest_output="xml:$report" "$@"
  total=$(grep -oPm1 '<testsuites tests="\K[0-9]+' "$report" 2>/dev/null) || { failed=$((failed + 1)) && return; }
  bad=$(grep -oPm1 '<testsuites [^>]*failures="\K[0-9]+' "$report")
  total=$((total - $(grep -c 'result="skipped"' "$report")))
  passed=$((passed + total - bad)) failed=$((failed + bad))
}
for program in kernels tensor ops; do on max "$build/tests/${program}_tests"; done
# Of the equality tests, which take most of the time, those of what people run on such a CPU: block formats and f16, q8_0 cache.
on max "$build/tests/model_tests" \
  --gtest_filter='*-Isa/Equality*scalar*:Isa/Equality*/neon_weights*:Isa/Equality*weights_f32*:Isa/Equality*weights_bf16*:Isa/Equality*_kv_f16'
on neoverse-n1 "$build/tests/kernels_tests" # dot products
on cortex-a53 "$build/tests/kernels_tests"  # neither

say "the program itself"
answer=$(qemu-aarch64-static -cpu max "$build/sambay" run -t 2 "What is 3 + 4?") && [[ $answer == *7* ]] && passed=$((passed + 1)) || {
  echo "asked what 3 + 4 is, it answered: $answer"
  failed=$((failed + 1))
}
printf '%s passed, %s failed\n' "$passed" "$failed"
[ "$failed" = 0 ]
