#!/bin/sh
# The kernels' tests on 64-bit ARM: cross-compiled and run by qemu. tools/check_arm.sh [BUILD, default build/arm]
# Needs the Debian packages g++-aarch64-linux-gnu, qemu-user-static, googletest (sources) and libfmt-dev (headers).
# With dot products and without (the same tables, another CPU), so both NEON tables are held against the scalar one.
set -e
cd "$(dirname "$0")/.."
build=${1:-build/arm}
compiler=aarch64-linux-gnu-g++
for tool in $compiler qemu-aarch64-static; do
  command -v $tool >/dev/null || {
    echo "check_arm: $tool is not there; install g++-aarch64-linux-gnu qemu-user-static googletest" >&2
    exit 1
  }
done
mkdir -p "$build"
# fmt and tl::expected by their headers alone; only headers that are the same for every machine are used.
mkdir -p "$build/include"
for folder in fmt tl; do
  [ -e "$build/include/$folder" ] || ln -s "/usr/include/$folder" "$build/include/$folder"
done
command -v ccache >/dev/null && compiler="ccache $compiler"
flags="-std=c++20 -O2 -ffp-contract=off -Wall -Wextra -Wshadow -DFMT_HEADER_ONLY -Iinclude -Isrc -Itests -isystem $build/include"
flags="$flags -isystem /usr/src/googletest/googletest/include -I/usr/src/googletest/googletest"
sources="/usr/src/googletest/googletest/src/gtest-all.cc /usr/src/googletest/googletest/src/gtest_main.cc"
sources="$sources $(echo src/kernels/cpu/*.cpp src/tensor/*.cpp src/base/error.cpp tests/kernels/*_test.cpp)"
{
  echo "builddir = $build"
  echo "rule cc"
  echo "  command = $compiler $flags \$more -MD -MF \$out.d -c \$in -o \$out"
  echo "  depfile = \$out.d"
  echo "rule link"
  echo "  command = aarch64-linux-gnu-g++ -static \$in -o \$out"
  objects=
  for source in $sources; do
    object="$build/$(echo "$source" | tr / _).o"
    objects="$objects $object"
    more=
    case $source in *isa_neon_dotprod.cpp) more=-march=armv8.2-a+dotprod ;; esac
    echo "build $object: cc $source"
    echo "  more = $more"
  done
  echo "build $build/kernels_tests: link$objects"
} >"$build/build.ninja"
ninja -f "$build/build.ninja" >"$build/build.log" 2>&1 || {
  tail -40 "$build/build.log" >&2
  exit 1
}
for cpu in max cortex-a53; do
  echo "cpu $cpu"
  qemu-aarch64-static -cpu $cpu "$build/kernels_tests" --gtest_brief=1 | grep -v "^$"
done
