#!/usr/bin/env bash
# Removes the defences of this project one at a time and requires that the test which
# the patch names fails: mutants.sh [--all] [--share K/N] [PATCH...]
# Without patches it takes all of internal/e2e/adversary/testdata/mutants, or every Nth of them
# from the Kth on. A patch names a
# test of internal/e2e/adversary or of another package, and only that one runs; it must
# pass without the patch. Patches of different lines and tests share a build, so that there
# is one for six to twelve. Patches that are named have one each, and so has each with --all:
# then the other tests of internal/e2e/adversary run too, and none of them may fail. A patch
# that breaks more than it says proves little about the test it names, and about those it
# shares a build with.
set -euo pipefail
cd "$(dirname "$0")/.."
adversary=internal/e2e/adversary

others=no
if [[ ${1:-} == --all ]]; then
	others=yes
	shift
fi
share=1/1
if [[ ${1:-} == --share ]]; then
	share=${2:?which share, as 1/3}
	[[ $share =~ ^[1-9][0-9]*/[1-9][0-9]*$ ]] || {
		echo "mutants.sh: --share is K/N, not $share" >&2
		exit 2
	}
	shift 2
fi
every=no
together=12 # patches in one build, at most
if [[ $# -gt 0 ]]; then
	patches=()
	for patch in "$@"; do patches+=("$(realpath -- "$patch")"); done
	together=1
else
	every=yes
	patches=("$PWD/$adversary"/testdata/mutants/*.patch)
fi
known=("${patches[@]}")
for i in "${!patches[@]}"; do # so that patches of one room are in different shares
	((i % ${share#*/} == (${share%/*} - 1) % ${share#*/})) || unset "patches[$i]"
done

[[ $others == no ]] || together=1

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

# report SINCE NAME WELL WHY: a line; with a reason it counts as a fault.
report() {
	printf '%3d s  %-55s %s\n' $((SECONDS - $1)) "$2" "${4:+AT FAULT: }${4:-$3}"
	if [[ -n $4 ]]; then
		echo "$2" >>"$tmp/bad"
		tail -n 40 "$tree.out" | sed 's/^/    /' >&2
	fi
}

# judge PATCH...: removes their defences together, and wants the test of each to fail. They
# are of one package.
judge() {
	local since=$SECONDS patch package test
	local -a applied=()
	for patch; do
		: >"$tree.out"
		read -r package test < <(named "$patch") || true
		if [[ -z $test || ! -d $package ]]; then
			report "$since" "$(basename "$patch" .patch)" '' "its header names no test: \"# test: PACKAGE TestName\""
		elif ! git apply "$patch" >"$tree.out" 2>&1; then
			report "$since" "$(basename "$patch" .patch)" '' "does not apply"
		else
			applied=("$patch" "${applied[@]}")
		fi
	done
	if [[ ${#applied[@]} -eq 0 ]]; then
		return
	elif build "$package"; then
		printf '%3d s  %d in one build of %s\n' $((SECONDS - since)) ${#applied[@]} "$package"
		local -a again=()
		for patch in "${applied[@]}"; do
			try "$patch" ${#applied[@]} || again+=("$patch")
		done
		git apply -R "${applied[@]}"
		for patch in "${again[@]}"; do judge "$patch"; done # another one may have hidden it
	elif git apply -R "${applied[@]}" && [[ ${#applied[@]} -eq 1 ]]; then
		report "$since" "$(basename "$1" .patch)" '' "does not compile"
	else
		judge "${applied[@]:0:${#applied[@]}/2}" # one half compiles, or says which
		judge "${applied[@]:${#applied[@]}/2}"
	fi
}

# try PATCH COUNT: its test, on what was built of so many. It fails, and reports nothing, when
# it is one of several whose test does not fail as it should.
try() {
	local since=$SECONDS why='' package test failed
	read -r package test < <(named "$1")
	if run "$package" -test.run "^$test\$"; then
		why="survives $test"
	elif failed=$(results FAIL "$tree.out") && [[ $failed != "$test" ]]; then
		why="$test does not end"
	elif [[ $others == yes && $package == "$adversary" ]] && ! run "$package" -test.skip "^$test\$"; then
		failed=$(results FAIL "$tree.out")
		why="should fail $test alone, fails also: ${failed//$'\n'/ }"
	fi
	[[ -z $why || $2 -eq 1 ]] || return 1
	report "$since" "$(basename "$1" .patch)" killed "$why"
}

# hunks PATCH prints the lines that it changes, as FILE FIRST LAST.
hunks() {
	awk '/^--- a\// { file = substr($2, 3) }
		/^@@ / { split(substr($2, 2), at, ","); print file, at[1], at[1] + (at[2] == "" ? 1 : at[2]) - 1 }' "$1"
}

# apart TAKEN: whether the hunks on standard input change no line of those.
apart() {
	awk -v taken="$1" '
		BEGIN { n = split(taken, t, " ") }
		{ for (i = 1; i < n; i += 3) if (t[i] == $1 && t[i + 1] <= $3 && t[i + 2] >= $2) exit bad = 1 }
		END { exit bad }'
}

# batches prints what is judged together, a line each: patches of one package that have
# neither a test nor a line in common.
batches() {
	local patch package test b
	local -a of=() tests=() taken=() members=() count=()
	for patch in "${patches[@]}"; do
		read -r package test < <(named "$patch") || true
		for ((b = 0; b < ${#members[@]}; b++)); do
			[[ ${of[b]} == "$package" && ${count[b]} -lt $together && ${tests[b]} != *" $test "* ]] || continue
			if hunks "$patch" | apart "${taken[b]}"; then break; fi
		done
		of[b]=$package tests[b]="${tests[b]:-} $test " taken[b]="${taken[b]:-} $(hunks "$patch" | tr '\n' ' ')"
		members[b]="${members[b]:-}$patch " count[b]=$((${count[b]:-0} + 1))
	done
	printf '%s\n' "${members[@]}"
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

# work TREE: takes one job after the other. A job is a batch, or a package without any patch.
work() {
	local job since
	local -a words
	tree=$1
	cd "$tree"
	for job in "${!jobs[@]}"; do
		mkdir "$tmp/job.$job" 2>/dev/null || continue # another worker has it
		read -ra words <<<"${jobs[job]}"
		if [[ ${words[0]} == *.patch ]]; then
			judge "${words[@]}"
		else
			since=$SECONDS
			report "$since" "${words[0]}" 'passes without a mutant' "$(passes "${words[0]}")"
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
mapfile -t jobs < <(batches)
if [[ $(wc -w <<<"${jobs[*]}") -ne ${#patches[@]} ]]; then
	echo "${#patches[@]} patches, but other jobs: ${jobs[*]}" >&2
	exit 1
fi
jobs+=("${packages[@]}")

# One worker a core, each with a copy and its share of the jobs.
workers=$(nproc)
: >"$tmp/bad"
for ((i = 1; i < workers && i < ${#jobs[@]}; i++)); do cp -a "$tmp/0" "$tmp/$i"; done # before any is changed
pids=()
for ((i = 0; i < workers && i < ${#jobs[@]}; i++)); do
	(work "$tmp/$i") &
	pids+=($!)
done
for pid in "${pids[@]}"; do wait "$pid"; done

bad=$(wc -l <"$tmp/bad")
if [[ $every == yes ]]; then
	untried=$(grep -vxF -f <(for patch in "${known[@]}"; do named "$patch"; done | cut -d ' ' -f 2) <<<"$all" || true)
	if [[ -n $untried ]]; then
		bad=$((bad + 1))
		echo "no mutant removes the defence of: ${untried//$'\n'/ }" >&2
	fi
fi
echo "${#patches[@]} of ${#known[@]} mutants, $bad at fault, $((SECONDS - begin)) s"
[[ $bad -eq 0 ]]
