#!/usr/bin/env bash
# Runs every fuzz test of the project, one after the other, and shares the given time
# out among them: fuzz.sh SECONDS
set -euo pipefail
cd "$(dirname "$0")/.."
total=${1:?usage: fuzz.sh SECONDS}

# grep prints "path/file_test.go:func FuzzName(".
mapfile -t tests < <(grep -roE '^func Fuzz[A-Za-z0-9_]+' --include='*_test.go' . | sort)
log=$(mktemp)
trap 'rm -f "$log"' EXIT
each=$((total / ${#tests[@]}))
[[ $each -ge 2 ]] || each=2
for test in "${tests[@]}"; do
	IFS=: read -r file func <<<"$test"
	name=${func#func }
	echo "fuzz ${file%/*} $name for $each s"
	# Go only warns of a pattern that matches nothing.
	go test "${file%/*}" -run '^$' -fuzz "^$name\$" -fuzztime "${each}s" -fuzzminimizetime 1x </dev/null 2>&1 | tee "$log" || {
		# A worker that Go stops at the end of the time may report just that, without an
		# input: it found nothing.
		if ! grep -q '^ *context deadline exceeded$' "$log" || grep -q 'Failing input' "$log"; then exit 1; fi
	}
	if grep -q 'no fuzz tests to fuzz' "$log"; then exit 1; fi
done
