# Sourced by ./run, ./check and others: the Debian packages that are needed, named in this one place, and how they are installed.
# shellcheck shell=bash

build_packages=(
  g++ cmake ninja-build ccache pkg-config
  libexpected-dev libfmt-dev nlohmann-json3-dev libpcre2-dev libcli11-dev libxxhash-dev
  libboost1.81-dev libssl-dev
  libjs-katex fonts-katex libjs-marked node-dompurify
)
check_packages=(
  git libgtest-dev libgmock-dev
  clang-19 libclang-rt-19-dev clang-format-19 clang-tidy-19 llvm-19
  python3 python3-venv python3-numpy curl
  chromium chromium-driver
)
bench_packages=(libbenchmark-dev)  # of bench/, for tools/nightly.sh and whoever measures

say() { printf '%s: %s\n' "${program_name:-sambay}" "$*" >&2; }

# as_root COMMAND...: directly as root, otherwise with sudo (which asks for a password only where somebody can type one).
as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif [ -t 0 ] && [ -t 2 ]; then
    sudo "$@"
  else
    sudo -n "$@"
  fi
}

# install_packages PACKAGE...: installs those that are missing; quiet and quick when none is.
install_packages() {
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    say "no apt-get here: going on in the hope that these are installed: $*"
    return 0
  fi
  local present missing=() package
  # It fails when it has never heard of a package, and lists the others all the same.
  present=" $(dpkg-query -W -f='${db:Status-Status}:${Package} ' "$@" 2>/dev/null || true)"
  for package in "$@"; do
    [[ $present == *" installed:$package "* ]] || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0

  local by_hand="apt-get update && apt-get install --no-install-recommends ${missing[*]}"
  if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
    say "missing packages, and neither root nor sudo to install them. As root, run:"
    say "  $by_hand"
    return 1
  fi
  say "installing ${missing[*]} (the log is build/install.log)"
  mkdir -p build
  local log=build/install.log
  : >"$log" || return 1
  if ! as_root env DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 apt-get update >>"$log" 2>&1; then
    say "apt-get update failed (trying to install all the same): $(tail -n 1 "$log")"
  fi
  if ! as_root env DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 apt-get install -y --no-install-recommends \
      -o DPkg::Lock::Timeout=300 "${missing[@]}" </dev/null >>"$log" 2>&1; then
    tail -n 20 "$log" >&2
    say "that failed; the lines above are the end of build/install.log. By hand, as root:"
    say "  $by_hand"
    return 1
  fi
}
