#!/usr/bin/env bash
# Shows on a real kernel what the README's section "Your own kernel" says:
#
#   docs/own-kernel.sh SOURCE.tar.xz FOLDER
#
# SOURCE.tar.xz is a kernel's source, such as /usr/src/linux-source-6.12.tar.xz of Debian's package linux-source-6.12. It is
# built in FOLDER, which must not be below a git repository: about 12 minutes of CPU time, and 6 GB. A second call uses what the
# first one built.
#
# 1. FOLDER/linux is built from `make tinyconfig` and the options of `rxpath kernels config`. All cases run on it, twice: none
#    may be broken or fail, and both runs must give the same bytes.
# 2. FOLDER/linux-patched is the same with a call added to tcp_rcv_established(). `rxpath diff` must name it.
# 3. FOLDER/linux-bisect is a git repository of ten commits, one of which does not build and one of which adds that call.
#    `git bisect run` must find that one.
#
# It needs what building a kernel needs (gcc, make, flex, bison, bc, libelf-dev, libssl-dev), git, and rxpath in PATH. JOBS is
# the number of compilers at a time. Exits with 0 if all of this holds.
set -euo pipefail

if [ $# -ne 2 ]; then
  sed -n '2,19s/^# \{0,1\}//p' "$0" >&2
  exit 2
fi
source=$(realpath "$1")
folder=$(mkdir -p "$2" && realpath "$2")
readme=$(realpath "$(dirname "$0")/../README.md")
jobs=${JOBS:-$(nproc)}
base=$folder/linux
patched=$folder/linux-patched
repository=$folder/linux-bisect

step() { printf '\n== %s\n' "$*"; }
fail() { printf 'own-kernel: %s\n' "$*" >&2; exit 1; }

# A call that the compiler cannot inline, on the way of every segment of an established connection.
add_call() {
  sed -i '/^void tcp_rcv_established(struct sock \*sk/i\
static noinline void rxpath_added_call(struct sock *sk)\
{\
	asm volatile("" : : "r" (sk) : "memory");\
}\
' net/ipv4/tcp_input.c
  sed -i '/^	trace_tcp_probe(sk, skb);$/i\	rxpath_added_call(sk);' net/ipv4/tcp_input.c
  [ "$(grep -c rxpath_added_call net/ipv4/tcp_input.c)" -eq 2 ] || fail 'tcp_rcv_established() does not look as expected'
}

build() {
  make -C "$1" -s -j"$jobs" bzImage
}

step "build $base"
if [ ! -e "$base/.config" ]; then
  mkdir -p "$base"
  tar -xf "$source" -C "$base" --strip-components=1
  make -C "$base" -s tinyconfig
  rxpath kernels config >"$base/rxpath.config"
  (cd "$base" && scripts/kconfig/merge_config.sh -m .config rxpath.config >/dev/null)
  make -C "$base" -s olddefconfig
fi
build "$base"

step "build $patched"
if [ ! -e "$patched" ]; then
  cp -a "$base" "$patched.new"
  (cd "$patched.new" && add_call)
  mv "$patched.new" "$patched"
fi
build "$patched"

step 'run all cases twice'
# Some kernels lack what a case expects (1), and that is looked at below.
rxpath run -k "$base" --repeat 2 --json "$folder/base.json" >"$folder/run.txt" || [ $? -eq 1 ]
grep -v '^1 ' "$folder/run.txt"
if grep -E '^(broken|failed|crashed|hung): ' "$folder/run.txt"; then
  fail 'a case is broken, or what it expects does not hold'
fi
if grep -E '^[2-9] .*\([0-9]+ of 2 runs\)$' "$folder/run.txt"; then
  fail 'two runs differ'
fi

step "what differs in $patched"
rxpath diff --from "$base" --to "$patched" | tee "$folder/diff.txt"
grep -q rxpath_added_call "$folder/diff.txt" || fail 'the added call is not in the differences'

step "make $repository"
if [ ! -e "$repository/.git/refs/tags/last" ]; then
  rm -rf "$repository"
  cp -a "$base" "$repository"
  cd "$repository"
  git init -q .
  git config user.name own-kernel
  git config user.email own-kernel@localhost
  # The rest of the source stays as it is, so only this part is in git.
  echo '*' >.git/info/exclude
  git add -f net/ipv4/*.c
  commit() { git commit -q -m "$1" -- net/ipv4; }
  comment() { echo "/* $1 */" >>"net/ipv4/$1" && commit "$1: add a comment"; }
  commit 'start' && git tag first
  comment udp.c
  comment arp.c
  printf '\nint rxpath_unused = 1;\n' >>net/ipv4/ping.c && commit 'ping.c: add a variable'
  echo '#error this revision does not build' >>net/ipv4/icmp.c && commit 'icmp.c: break the build'
  sed -i '$d' net/ipv4/icmp.c && commit 'icmp.c: build again'
  comment raw.c
  add_call && commit 'tcp_input.c: add a call to the receive path' && git tag culprit
  comment tcp_output.c
  comment route.c && git tag last
fi

step "git bisect run, with the README's script"
cd "$repository"
git bisect reset -q >/dev/null 2>&1 || true
git checkout -q first
make -s -j"$jobs" bzImage
rxpath run -k . -c recv/tcp-ready --json ../good.json
recipe=$(sed -n '/^cat >.*bisect\.sh <</,/^EOF$/p' "$readme")
eval "$recipe"
git bisect start last first
git bisect run sh ../bisect.sh
[ "$(git rev-parse refs/bisect/bad)" = "$(git rev-parse culprit)" ] || fail 'git found a different commit'
[ -z "$(git status --porcelain)" ] || fail 'something was written into the repository'

step 'all of it holds'
