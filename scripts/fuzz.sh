#!/usr/bin/env bash
# Runs every fuzz test of the project, one after the other: fuzz.sh DURATION
set -euo pipefail
cd "$(dirname "$0")/.."
time=${1:?usage: fuzz.sh DURATION}

# grep prints "path/file_test.go:func FuzzName(".
grep -roE '^func Fuzz[A-Za-z0-9_]+' --include='*_test.go' . | sort |
	while IFS=: read -r file func; do
		name=${func#func }
		echo "fuzz ${file%/*} $name"
		go test "${file%/*}" -run '^$' -fuzz "^$name\\$" -fuzztime "$time" -fuzzminimizetime 1x </dev/null
	done
