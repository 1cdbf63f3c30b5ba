#!/usr/bin/env bash
# build.sh [--previous] OUTDIR [PROGRAM...] - put spire-server and spire-agent, or only
# those that are named, into OUTDIR. GOARCH=arm64 or amd64 asks for another architecture.
# With --previous it is the release that previous/go.mod pins, from 3 or 4.
#
# Where each program comes from, first match wins:
#   1. SPIRE_SERVER_BIN / SPIRE_AGENT_BIN. One that is missing or too old is an
#      error: whoever named it wants to know, not to run another program.
#   2. PATH, when the program there is new enough.
#      (Neither for another architecture: such a program cannot be asked.)
#   3. The cache of finished binaries, keyed by everything that decides them.
#   4. A build of the version that this module's go.mod pins (about 5 minutes).
set -euo pipefail

script=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)/build.sh
here=${script%/*} previous=no
if [[ ${1:-} == --previous ]]; then
  here+=/previous previous=yes
  shift
fi
readonly script here previous

say() { printf 'spire: %s\n' "$*"; }
die() {
  printf 'spire: %s\n' "$*" >&2
  exit 1
}

if [[ $# -lt 1 || $1 == -* ]]; then
  die "usage: ${BASH_SOURCE[0]} [--previous] OUTDIR [PROGRAM...] (directory that receives spire-server and spire-agent)"
fi
mkdir -p -- "$1"
outdir=$(cd -- "$1" && pwd -P)
readonly outdir
shift
(($#)) || set -- spire-agent spire-server
for program; do
  [[ $program == spire-agent || $program == spire-server ]] || die "$program is not a program of SPIRE that is built here"
done

version=$(awk '$1 == "github.com/spiffe/spire" { sub(/^v/, "", $2); print $2; exit }' "$here/go.mod")
readonly version
[[ -n $version ]] || die "$here/go.mod does not pin github.com/spiffe/spire"

# version_of BINARY prints the number that the program reports, without suffix.
# It writes to stderr in some releases and to stdout in others.
version_of() {
  { "$1" --version 2>&1 || true; } | sed -n 's/^v\{0,1\}\([0-9][0-9]*\.[0-9][0-9]*\.[0-9][0-9]*\).*$/\1/p;q'
}

# new_enough VERSION: at least the pinned one.
new_enough() {
  [[ -n $1 && $(printf '%s\n%s\n' "$version" "$1" | sort -V | head -n 1) == "$version" ]]
}

# The use_* functions run as conditions, where bash ignores 'set -e': each step
# that matters in them says '|| die' itself.

# install_as SOURCE NAME puts SOURCE at OUTDIR/NAME in one rename, so that a
# program that starts meanwhile sees the old file or the new one, never half.
install_as() {
  local source=$1 target=$outdir/$2 temporary=$outdir/.$2.$$
  [[ $source -ef $target ]] && return
  rm -f -- "$temporary"
  ln -- "$source" "$temporary" 2>/dev/null || cp -- "$source" "$temporary" || die "cannot write $temporary"
  mv -f -- "$temporary" "$target" || die "cannot write $target"
}

# link_as SOURCE NAME: a binary that is not ours stays where it is, so that an
# upgrade by its owner reaches us.
link_as() {
  local target=$outdir/$2 temporary=$outdir/.$2.$$
  [[ $1 -ef $target ]] && return
  { ln -sfn -- "$1" "$temporary" && mv -fT -- "$temporary" "$target"; } || die "cannot write $target"
}

# use_named NAME VARIABLE: case 1. Fails (returns 1) when the variable is empty.
use_named() {
  local name=$1 variable=$2 path=${!2:-} found
  [[ -n $path ]] || return 1
  [[ -f $path && -x $path ]] || die "$variable=$path is not a program; point it at $name $version or newer, or unset it to build one"
  path=$(realpath -- "$path")
  found=$(version_of "$path")
  new_enough "$found" || die "$variable=$path is SPIRE ${found:-of unknown version}, $version or newer is needed; point it at a newer $name, or unset it to build one"
  link_as "$path" "$name"
  say "using $name $found at $path (named by $variable)"
}

# use_path NAME: case 2. OUTDIR itself may be on PATH and does not count.
use_path() {
  local name=$1 path found
  while IFS= read -r path; do
    path=$(realpath -- "$path")
    [[ $path -ef $outdir/$name || $path == "$outdir"/* ]] && continue
    found=$(version_of "$path")
    if new_enough "$found"; then
      link_as "$path" "$name"
      say "using $name $found at $path (on PATH and new enough)"
      return 0
    fi
    say "not using $path: SPIRE ${found:-of unknown version} is older than $version"
  done < <(type -aP -- "$name" 2>/dev/null || true)
  return 1
}

# native: programs of the target architecture run here.
native() {
  case $(uname -m) in
    x86_64) [[ $arch == amd64 ]] ;;
    aarch64) [[ $arch == arm64 ]] ;;
    *) [[ $arch == "$(go env GOHOSTARCH)" ]] ;;
  esac
}

# Finished binaries are kept by everything that decides their content.
arch=${GOARCH:-}
if [[ -z $arch ]]; then
  case $(uname -m) in
    x86_64) arch=amd64 ;;
    aarch64) arch=arm64 ;;
    *) arch=$(go env GOARCH) ;;
  esac
fi
readonly arch
key=$(
  {
    cat -- "$here/go.mod" "$here/go.sum" "$script"
    printf '%s' "$arch"
  } | sha256sum
)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/grpccontroller/spire/$version-${key:0:16}
readonly cache

use_cache() {
  [[ -x $cache/$1 ]] || return 1
  install_as "$cache/$1" "$1"
  say "using $1 $version, built from spire/release (cached in $cache)"
}

# c_compiler prints the compiler for the target; the server's SQLite needs one.
c_compiler() {
  if [[ -n ${CC:-} ]]; then
    printf '%s' "$CC"
  elif [[ $arch == arm64 && $(uname -m) != aarch64 ]]; then
    printf 'aarch64-linux-gnu-gcc'
  else
    printf 'gcc'
  fi
}

# can_link_static is the whole need in one question: compiler, headers, libc.a.
can_link_static() {
  local scratch rc=0
  scratch=$(mktemp)
  # shellcheck disable=SC2046 # CC may carry flags, as Go allows too
  printf '#include <stdlib.h>\nint main(void){return 0;}\n' |
    $(c_compiler) -static -x c -o "$scratch" - >/dev/null 2>&1 || rc=$?
  rm -f -- "$scratch"
  return "$rc"
}

need_c_compiler() {
  local packages='gcc libc6-dev'
  [[ $(c_compiler) == aarch64-linux-gnu-gcc ]] && packages='gcc-aarch64-linux-gnu libc6-dev-arm64-cross'
  can_link_static && return
  if [[ $EUID -eq 0 ]] && command -v apt-get >/dev/null; then
    say "installing $packages (spire-server's SQLite needs a C compiler)"
    # shellcheck disable=SC2086 # two words are two packages
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages; } >/dev/null ||
      die "cannot install $packages; run: apt-get install $packages"
    can_link_static && return
  fi
  die "spire-server needs a C compiler that links static; run: sudo apt-get install $packages"
}

# follow NAME TOTAL reads the package names that 'go build -v' prints, and shows
# how far it is: one moving line on a terminal, else a line every 10 seconds.
# Packages that Go's build cache has are not printed; the link comes last, silent.
follow() {
  local name=$1 total=$2 count=0 package='' next=10 line rc
  SECONDS=0
  while true; do
    rc=0
    IFS= read -r -t 2 line || rc=$?
    if ((rc == 0)); then
      count=$((count + 1))
      package=$line
    elif ((rc <= 128)); then
      break
    fi
    if [[ -t 1 ]]; then
      printf '\r\033[Kspire: building %s %s  %ds  compiled %d of at most %d packages  %.40s' "$name" "$version" "$SECONDS" "$count" "$total" "$package"
    elif ((SECONDS >= next)); then
      say "building $name $version: ${SECONDS}s, compiled $count of at most $total packages"
      next=$((SECONDS + 10))
    fi
  done
  [[ ! -t 1 ]] || printf '\r\033[K'
}

# build NAME: case 4.
build() {
  local name=$1 total log rc=0
  local package=github.com/spiffe/spire/cmd/$1
  local stamp="-X github.com/spiffe/spire/pkg/common/version.gittag=$version"
  local -a flags=(-trimpath)
  local -x GOWORK=off GOFLAGS='' GOOS=linux GOARCH=$arch CGO_ENABLED=0
  command -v go >/dev/null || die "the Go toolchain is needed to build SPIRE; install Go 1.26 or newer from https://go.dev/dl/"
  if [[ $name == spire-server ]]; then
    need_c_compiler
    local -x CGO_ENABLED=1 CC
    CC=$(c_compiler)
    flags+=(-tags "netgo,osusergo,sqlite_omit_load_extension" -ldflags "-s -w -linkmode external -extldflags -static $stamp")
  else
    flags+=(-ldflags "-s -w $stamp")
  fi
  say "building $name $version from $here (minutes when the Go build cache is cold)"
  mkdir -p -- "$cache"
  log=$cache/$name.log
  total=$(cd -- "$here" && go list -deps "${flags[@]}" "$package" 2>/dev/null | wc -l)
  { (cd -- "$here" && go build -v "${flags[@]}" -o "$cache/.$name.$$" "$package") 2>&1 || echo "build failed"; } |
    tee -- "$log" | follow "$name" "$total"
  [[ -x $cache/.$name.$$ && $(tail -n 1 -- "$log") != "build failed" ]] || rc=1
  if ((rc != 0)); then
    rm -f -- "$cache/.$name.$$"
    tail -n 30 -- "$log" >&2
    die "building $name did not work; the whole output is in $log"
  fi
  mv -f -- "$cache/.$name.$$" "$cache/$name"
  rm -f -- "$log"
  install_as "$cache/$name" "$name"
  say "built $name $version in ${SECONDS}s, cached in $cache"
}

# provide NAME VARIABLE
provide() {
  if [[ $previous == no ]] && native && { use_named "$1" "$2" || use_path "$1"; }; then return; fi
  if use_cache "$1"; then return; fi
  # One build at a time: a second caller waits and then finds the cache filled.
  mkdir -p -- "$cache"
  (
    if command -v flock >/dev/null; then flock 9; fi
    if ! use_cache "$1"; then build "$1"; fi
  ) 9>"$cache/lock"
}

for program; do
  case $program in
    spire-agent) provide spire-agent SPIRE_AGENT_BIN ;;
    spire-server) provide spire-server SPIRE_SERVER_BIN ;;
  esac
done
