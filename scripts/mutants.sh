#!/usr/bin/env bash
# Removes the defences of this project one at a time and requires that the test which
# the patch names fails: mutants.sh [--all] [PATCH...]
# Without patches it takes all of internal/e2e/adversary/testdata/mutants. A patch names a
# test of internal/e2e/adversary or of another package, and only that one runs; it must
# pass without the patch. With --all the other tests of internal/e2e/adversary run too, and
# none of them may fail: a patch that breaks more than it says proves little about the
# test it names.
set -euo pipefail
cd "$(dirname "$0")/.."
adversary=internal/e2e/adversary

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
	patches=("$PWD/$adversary"/testdata/mutants/*.patch)
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

# build PACKAGE: the tests of the tree we are in. The same paths in every copy (-trimpath),
# and no cgo as in "make build", let the build cache help; a mutant does not live long
# enough to be debugged.
build() {
	CGO_ENABLED=0 go test -c -trimpath -ldflags='-s -w' -vet=off -o "$tree.test" "./$1" >"$tree.out" 2>&1
}

# run PACKAGE FLAG...: its tests, which were built.
run() {
	local package=$1
	shift
	(cd "$package" && "$tree.test" -test.v -test.timeout=60s "$@") >"$tree.out" 2>&1
}

# results WORD OUTPUT: the top-level tests that ended so (PASS, FAIL or SKIP).
results() {
	awk -v word="$1:" '/^--- / && $2 == word { print $3 }' "$2" | sort
}

# named PATCH prints the package and the test that its header names.
named() {
	sed -n "s|^# test: \([a-z][a-z0-9/]*\) \(Test[A-Za-z0-9_]*\)\$|\1 \2|p" "$1"
}

# judge PATCH: prints what is wrong with it, or nothing.
judge() {
	local package test failed
	: >"$tree.out"
	read -r package test < <(named "$1") || true
	if [[ -z $test || ! -d $package ]]; then
		echo "its header names no test: \"# test: PACKAGE TestName\""
		return
	fi
	if ! git apply "$1" >"$tree.out" 2>&1; then
		echo "does not apply"
		return
	fi
	if ! build "$package"; then
		echo "does not compile"
	elif run "$package" -test.run "^$test\$"; then
		echo "survives $test"
	elif failed=$(results FAIL "$tree.out") && [[ $failed != "$test" ]]; then
		echo "$test does not end"
	elif [[ $others == yes && $package == "$adversary" ]] && ! run "$package" -test.skip "^$test\$"; then
		failed=$(results FAIL "$tree.out")
		echo "should fail $test alone, fails also: ${failed//$'\n'/ }"
	fi
	git apply -R "$1"
}

# passes PACKAGE: prints what is wrong with the tests of it that patches name, as it is.
passes() {
	local tests passed
	tests=$(for patch in "${patches[@]}"; do named "$patch"; done | sed -n "s|^$1 ||p" | sort -u)
	if ! build "$1"; then
		echo "does not compile"
	elif ! run "$1" -test.run "^(${tests//$'\n'/|})\$"; then
		echo "fails without any mutant"
	elif passed=$(results PASS "$tree.out") && [[ $passed != "$tests" ]]; then
		echo "has no such test, or skips it: $(comm -23 <(echo "$tests") <(echo "$passed") | tr '\n' ' ')"
	fi
}

# work TREE JOB...: judges them in the tree, one after the other. A job is a patch, or a
# package without any.
work() {
	local since why well job
	tree=$1
	shift
	cd "$tree"
	for job; do
		since=$SECONDS
		if [[ $job == *.patch ]]; then
			why=$(judge "$job")
			well=killed
		else
			why=$(passes "$job")
			well='passes without a mutant'
		fi
		printf '%3d s  %-55s %s\n' $((SECONDS - since)) "$(basename "$job" .patch)" "${why:+AT FAULT: }${why:-$well}"
		if [[ -n $why ]]; then
			echo "$job" >>"$tmp/bad"
			tail -n 40 "$tree.out" | sed 's/^/    /' >&2
		fi
	done
}

begin=$SECONDS
tree=$tmp/0
copy "$tree"
cd "$tree"
if ! { build "$adversary" && run "$adversary"; }; then
	cat "$tree.out" >&2
	echo "$adversary fails without any mutant" >&2
	exit 1
fi
all=$(results PASS "$tree.out")
if [[ -z $all ]]; then
	echo "$adversary has no tests" >&2
	exit 1
fi
printf '%3d s  %-55s passes\n' $((SECONDS - begin)) "no mutant"

# The tests that the patches name in other packages must pass as they are, too.
mapfile -t packages < <(for patch in "${patches[@]}"; do named "$patch"; done | cut -d ' ' -f 1 | grep -vxF "$adversary" | sort -u)
jobs=("${packages[@]}" "${patches[@]}")

# One worker a core, each with a copy and its share of the jobs.
workers=$(nproc)
: >"$tmp/bad"
for ((i = 1; i < workers && i < ${#jobs[@]}; i++)); do cp -a "$tmp/0" "$tmp/$i"; done # before any is changed
pids=()
for ((i = 0; i < workers; i++)); do
	mine=()
	for ((j = i; j < ${#jobs[@]}; j += workers)); do mine+=("${jobs[j]}"); done
	[[ ${#mine[@]} -gt 0 ]] || continue
	(work "$tmp/$i" "${mine[@]}") &
	pids+=($!)
done
for pid in "${pids[@]}"; do wait "$pid"; done

bad=$(wc -l <"$tmp/bad")
if [[ $every == yes ]]; then
	untried=$(grep -vxF -f <(for patch in "${patches[@]}"; do named "$patch"; done | cut -d ' ' -f 2) <<<"$all" || true)
	if [[ -n $untried ]]; then
		bad=$((bad + 1))
		echo "no mutant removes the defence of: ${untried//$'\n'/ }" >&2
	fi
fi
echo "${#patches[@]} mutants, $bad at fault, $((SECONDS - begin)) s"
[[ $bad -eq 0 ]]
