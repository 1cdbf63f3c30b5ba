#!/usr/bin/env bash
# The rooms of this project, as figures:
#   rooms.sh               packages outside internal/e2e, test kits, those under 120 lines, lines of code
#   rooms.sh sizes         lines of code of each package, smallest first
#   rooms.sh imports DIR   which of our packages DIR imports, and which import it
# A line of code is one of handwritten Go outside tests that is neither blank nor a comment.
set -euo pipefail
cd "$(dirname "$0")/.."
git rev-parse --is-inside-work-tree >/dev/null
module=$(awk '$1 == "module" { print $2; exit }' go.mod)

# sources: handwritten Go files outside tests, internal/e2e and other modules.
sources() {
	git ls-files '*.go' |
		grep -vE '_test\.go$|(^|/)testdata/|^internal/(e2e|tools)/|^spire/release/' |
		xargs grep -LE '^// Code generated .* DO NOT EDIT\.$'
}

# sizes: "lines package" of each package.
sizes() {
	sources | xargs awk '
		FNR == 1 { dir = FILENAME; sub("/[^/]*$", "", dir); n[dir] += 0 }
		!/^[[:space:]]*(\/\/.*)?$/ { n[dir]++ }
		END { for (p in n) printf "%6d %s\n", n[p], p }' | sort -n
}

case ${1:-} in
'')
	sizes | awk '{ packages++; lines += $1; small += $1 < 120; kits += $2 ~ /test$/ && $2 != "internal/archtest" }
		END { printf "%d packages, %d of them test kits, %d under 120 lines; %d lines of code\n", packages, kits, small, lines }'
	;;
sizes) sizes ;;
imports)
	dir=${2:?name a directory, such as controller/policy}
	echo "$dir imports:"
	go list -f '{{ join .Imports "\n" }}' "./$dir" | sed -n "s|^$module/|  |p"
	echo "imported by:"
	# shellcheck disable=SC2016 # a Go template
	go list -f '{{ $p := .ImportPath }}{{ range .Imports }}{{ . }} {{ $p }}{{ "\n" }}{{ end }}' ./... |
		awk -v d="$module/$dir" '$1 == d { print $2 }' | sed "s|^$module/|  |"
	;;
*)
	sed -n '2,6s/^# \{0,1\}//p' "$0" >&2
	exit 2
	;;
esac
