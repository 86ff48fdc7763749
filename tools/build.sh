# Sourced by ./run and ./check after packages.sh: configuring and building, with a ccache inside the checkout.
# shellcheck shell=bash

export CCACHE_DIR=$PWD/build/.ccache CCACHE_MAXSIZE=1G CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1
export CCACHE_SLOPPINESS=pch_defines,time_macros # as ccache asks for where headers are precompiled

# configure DIRECTORY [-DNAME=VALUE]...: needed once; after that ninja itself sees changed CMake files. Options that an
# earlier call set and this one does not name stay as they are, so that ./run after ./check has nothing to build.
configure() {
  local directory=$1 cache=$1/CMakeCache.txt option done_already=yes
  shift
  if [ -f "$cache" ] && ! grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$PWD" "$cache"; then
    say "the checkout has moved: configuring $directory again"
    rm -rf "$cache" "$directory/CMakeFiles"
  fi
  [ -f "$directory/build.ninja" ] || done_already=no
  for option in "$@"; do
    grep -qxF -e "${option#-D}" "$directory/.configured" 2>/dev/null || done_already=no
  done
  [ $done_already = no ] || return 0

  mkdir -p "$directory"
  if ! cmake -S . -B "$directory" -G Ninja "$@" >"$directory/configure.log" 2>&1; then
    tail -n 30 "$directory/configure.log" >&2
    say "cmake could not configure; the lines above are the end of $directory/configure.log"
    return 1
  fi
  printf '%s\n' "${@#-D}" >"$directory/.configured"
}

# build DIRECTORY [TARGET]...: one line that moves on a terminal, one line elsewhere, none when there is nothing to do. The
# whole output is in DIRECTORY/build.log, its end is shown when the build fails.
build() {
  local directory=$1 log=$1/build.log line shown=no
  ninja -C "$@" 2>&1 | tee "$log" | while IFS= read -r line; do
    [[ $line =~ ^\[[0-9]+/[0-9]+\] && $line != *'Re-checking globbed'* ]] || continue
    if [ -t 2 ]; then
      printf '\r\033[K%.*s' "$((${COLUMNS:-80} - 1))" "$line" >&2
    elif [ $shown = no ]; then
      say "building in $directory"
    fi
    shown=yes
  done
  local status=${PIPESTATUS[0]}
  if [ -t 2 ]; then printf '\r\033[K' >&2; fi
  if [ "$status" != 0 ]; then
    grep -nE -A 12 'FAILED:|error:' "$log" | head -n 60 >&2
    say "the build failed; all of it is in $log"
    return 1
  fi
}

# One build at a time in a checkout: a second one waits here. A script that was started by one that holds the lock has it too.
lock_build() {
  [ -z "${SAMBAY_BUILD_LOCKED:-}" ] || return 0
  mkdir -p build
  exec 9>build/.lock
  flock -n 9 || { say "waiting for another build in this checkout"; flock 9; }
  export SAMBAY_BUILD_LOCKED=1
}
unlock_build() {
  exec 9>&-
  unset SAMBAY_BUILD_LOCKED
}

# The g++ Release build that ./run and ./check share.
release_options=(-DCMAKE_BUILD_TYPE=Release -DCMAKE_C_COMPILER=gcc -DCMAKE_CXX_COMPILER=g++)
