#!/usr/bin/env bash
# Removes the defences of this project one at a time and requires that exactly the
# test which the patch names fails: mutants.sh [PATCH...]
# Without arguments it takes all of internal/e2e/adversary/testdata/mutants.
set -euo pipefail
cd "$(dirname "$0")/.."
package=internal/e2e/adversary

if [[ $# -gt 0 ]]; then
	patches=()
	for patch in "$@"; do patches+=("$(realpath -- "$patch")"); done
else
	patches=("$PWD/$package"/testdata/mutants/*.patch)
fi

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
tree=$tmp/tree out=$tmp/out
mkdir "$tree"
# What is tracked or new, and not deleted.
git ls-files -z --cached --others --exclude-standard |
	while IFS= read -r -d '' file; do
		if [[ -e $file || -L $file ]]; then printf '%s\0' "$file"; fi
	done | sort -zu | xargs -0 cp -P --parents -t "$tree"
cd "$tree"
# The copy is no repository, and is not taken for a part of one around it: there
# git apply would pass over every file and succeed.
export GIT_CEILING_DIRECTORIES=$tmp

# run: the package's tests into $out. The same paths in every copy (-trimpath), and
# no cgo as in "make build", let the build cache help; a mutant does not live long
# enough to be debugged.
run() {
	CGO_ENABLED=0 go test -trimpath -ldflags='-s -w' -vet=off -count=1 -timeout=60s -v "./$package" >"$out" 2>&1
}

# results WORD: the top-level tests that ended so (PASS, FAIL or SKIP).
results() {
	awk -v word="$1:" '/^--- / && $2 == word { print $3 }' "$out" | sort
}

# judge PATCH: prints what is wrong with it, or nothing.
judge() {
	local test failed
	: >"$out"
	test=$(sed -n "s|^# test: $package \(Test[A-Za-z0-9_]*\)\$|\1|p" "$1")
	if ! grep -qxF -e "$test" <<<"$all"; then
		echo "its header names no test of $package: \"# test: $package TestName\""
		return
	fi
	if ! git apply "$1" >"$out" 2>&1; then
		echo "does not apply"
		return
	fi
	if run; then
		echo "survives $test"
	elif grep -qE '\[(build|setup) failed\]' "$out"; then
		echo "does not compile"
	else
		failed=$(results FAIL)
		if [[ $failed != "$test" ]]; then
			echo "should fail $test alone, fails: ${failed//$'\n'/ }"
		elif [[ $(results PASS) != "$(grep -vxF -e "$test" <<<"$all")" ]]; then
			echo "fails $test, and not all others ended"
		fi
	fi
	git apply -R "$1"
}

begin=$SECONDS
if ! run; then
	cat "$out" >&2
	echo "$package fails without any mutant" >&2
	exit 1
fi
all=$(results PASS)
if [[ -z $all ]]; then
	echo "$package has no tests" >&2
	exit 1
fi
printf '%3d s  %-55s passes\n' $((SECONDS - begin)) "no mutant"

bad=0
untried=$all
for patch in "${patches[@]}"; do
	since=$SECONDS
	why=$(judge "$patch")
	name=$(basename "$patch" .patch)
	if [[ -n $why ]]; then
		bad=$((bad + 1))
		printf '%3d s  %-55s %s\n' $((SECONDS - since)) "$name" "AT FAULT: $why"
		tail -n 40 "$out" | sed 's/^/    /' >&2
	else
		printf '%3d s  %-55s killed\n' $((SECONDS - since)) "$name"
	fi
	untried=$(grep -vxF -f <(sed -n "s|^# test: $package ||p" "$patch") <<<"$untried" || true)
done
if [[ $# -eq 0 && -n $untried ]]; then
	bad=$((bad + 1))
	echo "no mutant removes the defence of: ${untried//$'\n'/ }" >&2
fi
echo "${#patches[@]} mutants, $bad at fault, $((SECONDS - begin)) s"
[[ $bad -eq 0 ]]
