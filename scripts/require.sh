#!/usr/bin/env bash
# Makes sure that tools exist: require.sh TOOL...
# As root on Debian it installs what is missing; anywhere else it names it in one
# line and fails. It is silent when there is nothing to do.
set -euo pipefail

# present TOOL: whether the tool works. A compiler without the C library's headers
# is no compiler for us.
present() {
	case $1 in
	cc) command -v cc >/dev/null && echo '#include <stdio.h>' | cc -E - >/dev/null 2>&1 ;;
	node) command -v npm >/dev/null && node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' 2>/dev/null ;;
	*) command -v "$1" >/dev/null ;;
	esac
}

# packages TOOL: the Debian packages that hold it.
packages() {
	case $1 in
	cc) echo gcc libc6-dev ;;
	ip) echo iproute2 ;;
	nft) echo nftables ;;
	node | npm) echo nodejs npm ;;
	systemd-nspawn) echo systemd-container ;;
	*) echo "$1" ;;
	esac
}

missing=()
for tool in "$@"; do
	present "$tool" || missing+=("$tool")
done
[[ ${#missing[@]} -gt 0 ]] || exit 0

debs=()
for tool in "${missing[@]}"; do
	read -ra more <<<"$(packages "$tool")"
	debs+=("${more[@]}")
done
if [[ $EUID -ne 0 ]] || ! command -v apt-get >/dev/null; then
	echo "missing: ${missing[*]}; install with: apt-get install --no-install-recommends ${debs[*]}" >&2
	exit 1
fi
echo "installing ${debs[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { apt-get update && apt-get install -y --no-install-recommends "${debs[@]}"; } </dev/null >"$log" 2>&1; then
	cat "$log" >&2
	exit 1
fi
for tool in "${missing[@]}"; do
	present "$tool" || {
		echo "missing: $tool; what Debian has is too old (node: 20.19 or newer, with npm, from https://nodejs.org)" >&2
		exit 1
	}
done
