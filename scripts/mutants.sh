#!/usr/bin/env bash
# Removes the defences of this project one at a time and requires that the test which
# the patch names fails: mutants.sh [--all] [PATCH...]
# Without patches it takes all of internal/e2e/adversary/testdata/mutants. Only the
# named test runs; with --all the others do too, and none of them may fail: a patch
# that breaks more than it says proves little about the test it names.
set -euo pipefail
cd "$(dirname "$0")/.."
package=internal/e2e/adversary

others=no
if [[ ${1:-} == --all ]]; then
	others=yes
	shift
fi
every=no
if [[ $# -gt 0 ]]; then
	patches=()
	for patch in "$@"; do patches+=("$(realpath -- "$patch")"); done
else
	every=yes
	patches=("$PWD/$package"/testdata/mutants/*.patch)
fi

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
# The copies are no repository, and are not taken for a part of one around them: there
# git apply would pass over every file and succeed.
export GIT_CEILING_DIRECTORIES=$tmp

# copy TREE: what is tracked or new, and not deleted.
copy() {
	mkdir "$1"
	git ls-files -z --cached --others --exclude-standard |
		while IFS= read -r -d '' file; do
			if [[ -e $file || -L $file ]]; then printf '%s\0' "$file"; fi
		done | sort -zu | xargs -0 cp -P --parents -t "$1"
}

# build: the tests of the tree we are in. The same paths in every copy (-trimpath),
# and no cgo as in "make build", let the build cache help; a mutant does not live long
# enough to be debugged.
build() {
	CGO_ENABLED=0 go test -c -trimpath -ldflags='-s -w' -vet=off -o "$PWD.test" "./$package" >"$PWD.out" 2>&1
}

# run FLAG...: the tests that were built.
run() {
	(cd "$package" && "$tree.test" -test.v -test.timeout=60s "$@") >"$tree.out" 2>&1
}

# results WORD OUTPUT: the top-level tests that ended so (PASS, FAIL or SKIP).
results() {
	awk -v word="$1:" '/^--- / && $2 == word { print $3 }' "$2" | sort
}

# named PATCH prints the test that its header names.
named() {
	sed -n "s|^# test: $package \(Test[A-Za-z0-9_]*\)\$|\1|p" "$1"
}

# judge PATCH: prints what is wrong with it, or nothing.
judge() {
	local test failed
	: >"$tree.out"
	test=$(named "$1")
	if ! grep -qxF -e "$test" <<<"$all"; then
		echo "its header names no test of $package: \"# test: $package TestName\""
		return
	fi
	if ! git apply "$1" >"$tree.out" 2>&1; then
		echo "does not apply"
		return
	fi
	if ! build; then
		echo "does not compile"
	elif run -test.run "^$test\$"; then
		echo "survives $test"
	elif failed=$(results FAIL "$tree.out") && [[ $failed != "$test" ]]; then
		echo "$test does not end"
	elif [[ $others == yes ]] && ! run -test.skip "^$test\$"; then
		failed=$(results FAIL "$tree.out")
		echo "should fail $test alone, fails also: ${failed//$'\n'/ }"
	fi
	git apply -R "$1"
}

# work TREE PATCH...: judges them in the tree, one after the other.
work() {
	local since why patch
	tree=$1
	shift
	cd "$tree"
	for patch; do
		since=$SECONDS
		why=$(judge "$patch")
		printf '%3d s  %-55s %s\n' $((SECONDS - since)) "$(basename "$patch" .patch)" "${why:+AT FAULT: }${why:-killed}"
		if [[ -n $why ]]; then
			echo "$patch" >>"$tmp/bad"
			tail -n 40 "$tree.out" | sed 's/^/    /' >&2
		fi
	done
}

begin=$SECONDS
tree=$tmp/0
copy "$tree"
cd "$tree"
if ! { build && run; }; then
	cat "$tree.out" >&2
	echo "$package fails without any mutant" >&2
	exit 1
fi
all=$(results PASS "$tree.out")
if [[ -z $all ]]; then
	echo "$package has no tests" >&2
	exit 1
fi
printf '%3d s  %-55s passes\n' $((SECONDS - begin)) "no mutant"

# One worker a core, each with a copy and its share of the patches.
workers=$(nproc)
: >"$tmp/bad"
for ((i = 1; i < workers && i < ${#patches[@]}; i++)); do cp -a "$tmp/0" "$tmp/$i"; done # before any is changed
pids=()
for ((i = 0; i < workers; i++)); do
	mine=()
	for ((j = i; j < ${#patches[@]}; j += workers)); do mine+=("${patches[j]}"); done
	[[ ${#mine[@]} -gt 0 ]] || continue
	(work "$tmp/$i" "${mine[@]}") &
	pids+=($!)
done
for pid in "${pids[@]}"; do wait "$pid"; done

bad=$(wc -l <"$tmp/bad")
if [[ $every == yes ]]; then
	untried=$(grep -vxF -f <(for patch in "${patches[@]}"; do named "$patch"; done) <<<"$all" || true)
	if [[ -n $untried ]]; then
		bad=$((bad + 1))
		echo "no mutant removes the defence of: ${untried//$'\n'/ }" >&2
	fi
fi
echo "${#patches[@]} mutants, $bad at fault, $((SECONDS - begin)) s"
[[ $bad -eq 0 ]]
