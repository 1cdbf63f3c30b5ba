#!/usr/bin/env bash
# Makes sure that tools exist: require.sh TOOL...
# As root on Debian it installs what is missing; anywhere else it names it in one
# line and fails. It is silent when there is nothing to do.
set -euo pipefail

# Debian 12 has Node.js 18; the dashboard needs 20.19. Where Debian's is too old,
# this release of it and of npm comes from npm's registry into node_dir, which is
# first on the PATH of make too (NODE_BIN in the Makefile).
node_version=22.23.3 npm_version=10.9.9
node_dir=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/grpccontroller/node
# Prometheus is unpacked, not installed: Debian's package starts a daemon on port
# 9090 of every address, and enables it for the next boot.
prometheus_dir=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/grpccontroller/prometheus
# So are the clients and servers that flows are tested with: installed, sshd, postgres,
# redis, nginx and others would listen on this machine, now and after the next boot.
# What they need and is not there is unpacked with them, and bin/ has a script for each
# that says so to the loader.
servers_dir=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/grpccontroller/servers
PATH=$node_dir/node_modules/.bin:$PATH:$prometheus_dir/usr/bin:$servers_dir/bin

# present TOOL: whether the tool works. A compiler without the C library's headers
# is no compiler for us.
present() {
	case $1 in
	cc) command -v cc >/dev/null && echo '#include <stdio.h>' | cc -E - >/dev/null 2>&1 ;;
	node) command -v npm >/dev/null && node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' 2>/dev/null ;;
	# Debian's are not on the PATH.
	postgres | initdb | psql) command -v "$1" >/dev/null || compgen -G "/usr/lib/postgresql/*/bin/$1" >/dev/null ;;
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
	man) echo man-db groff ;;
	# What Debian only recommends and a network of containers needs.
	podman) echo podman crun catatonit netavark aardvark-dns iptables util-linux ;;
	qemu-aarch64-static) echo qemu-user-static ;;
	ssh | scp | ssh-keygen) echo openssh-client ;;
	sshd) echo openssh-server ;;
	nc.openbsd) echo netcat-openbsd ;;
	postgres | initdb) echo postgresql ;;
	psql) echo postgresql-client ;;
	redis-cli) echo redis-tools ;;
	nginx) echo nginx libnginx-mod-stream ;;
	stunnel) echo stunnel4 ;;
	*) echo "$1" ;;
	esac
}

# unpacked TOOL: whether it is never installed.
unpacked() {
	case $1 in
	ssh | scp | ssh-keygen | sshd | rsync | nc.openbsd | postgres | initdb | psql | redis-cli | redis-server | nginx | haproxy | stunnel | iperf3) ;;
	*) return 1 ;;
	esac
}

# fetch_node installs what Debian has too old, by Debian's npm. No script of a
# package runs; npm checks the hashes.
fetch_node() {
	local arch
	case $(uname -m) in
	x86_64) arch=x64 ;;
	aarch64) arch=arm64 ;;
	*) return 1 ;;
	esac
	echo "installing node $node_version and npm $npm_version into $node_dir" >&2
	mkdir -p "$node_dir"
	npm install --prefix "$node_dir" --ignore-scripts --no-audit --no-fund --no-progress --loglevel=error \
		"node-linux-$arch@$node_version" "npm@$npm_version" </dev/null >&2
	hash -r # the shell remembers where the old one is
}

# fetch_prometheus unpacks Debian's package; apt checks its signature. It needs no
# root, but the package lists of apt-get update.
fetch_prometheus() {
	local dir
	command -v apt-get >/dev/null && command -v dpkg >/dev/null || return 1
	echo "unpacking Debian's prometheus into $prometheus_dir" >&2
	dir=$(mktemp -d)
	if ! (cd "$dir" && { apt-get download prometheus || { apt-get update && apt-get download prometheus; }; }) </dev/null >"$dir/log" 2>&1; then
		cat "$dir/log" >&2
		rm -r "$dir"
		return 1
	fi
	rm -rf "$prometheus_dir"
	mkdir -p "$prometheus_dir"
	dpkg -x "$dir"/prometheus_*.deb "$prometheus_dir"
	rm -r "$dir"
}

# fetch_servers TOOL... unpacks Debian's packages of these tools with what they depend on;
# apt checks the signatures. It needs no root either.
fetch_servers() {
	local dir tool debs=() more path
	command -v apt-get >/dev/null && command -v dpkg >/dev/null || return 1
	for tool in "$@"; do
		read -ra more <<<"$(packages "$tool")"
		debs+=("${more[@]}")
	done
	echo "unpacking ${debs[*]} into $servers_dir" >&2
	dir=$(mktemp -d)
	mkdir -p "$dir/archives/partial" "$servers_dir/root" "$servers_dir/bin"
	local get=(apt-get -o Dir::Cache::archives="$dir/archives" -o Debug::NoLocking=true install -y --no-install-recommends --reinstall --download-only "${debs[@]}")
	if ! { "${get[@]}" || { apt-get update && "${get[@]}"; }; } </dev/null >"$dir/log" 2>&1; then
		cat "$dir/log" >&2
		rm -r "$dir"
		return 1
	fi
	for path in "$dir"/archives/*.deb; do dpkg -x "$path" "$servers_dir/root"; done
	rm -r "$dir"
	for tool in "$@"; do
		for path in "$servers_dir"/root/{usr/bin,usr/sbin,bin,sbin}/"$tool" "$servers_dir"/root/usr/lib/postgresql/*/bin/"$tool"; do
			[[ -x $path && ! -d $path ]] || continue
			# By an absolute path, as sshd must be started; the directory may be mounted elsewhere.
			cat >"$servers_dir/bin/$tool" <<-SCRIPT
				#!/bin/sh
				root=\$(dirname "\$(readlink -f "\$0")")/../root
				LD_LIBRARY_PATH=\$(echo "\$root"/usr/lib/*-linux-gnu):\$(echo "\$root"/lib/*-linux-gnu) exec "\$root${path#"$servers_dir/root"}" "\$@"
			SCRIPT
			chmod 755 "$servers_dir/bin/$tool"
		done
	done
}

missing=()
for tool in "$@"; do
	present "$tool" || missing+=("$tool")
done
[[ ${#missing[@]} -gt 0 ]] || exit 0

others=() servers=() prometheus=no
for tool in "${missing[@]}"; do
	case $tool in
	prometheus | promtool) prometheus=yes ;;
	*) if unpacked "$tool"; then servers+=("$tool"); else others+=("$tool"); fi ;;
	esac
done
if [[ $prometheus == yes ]] && ! { fetch_prometheus && present prometheus && present promtool; }; then
	echo "missing: prometheus promtool; put those of Debian's package prometheus (2.42 or newer) on the PATH" >&2
	exit 1
fi
if [[ ${#servers[@]} -gt 0 ]]; then
	fetch_servers "${servers[@]}" || true
	hash -r
	for tool in "${servers[@]}"; do
		present "$tool" || { echo "missing: $tool; put that of Debian's package $(packages "$tool") on the PATH" >&2; exit 1; }
	done
fi
missing=("${others[@]}")
[[ ${#missing[@]} -gt 0 ]] || exit 0

# Needs no root: where npm is there, only node is too old.
if [[ ${missing[*]} == node ]] && command -v node >/dev/null && command -v npm >/dev/null && fetch_node && present node; then
	exit 0
fi

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
	present "$tool" || { [[ $tool == node ]] && fetch_node && present node; } || {
		echo "missing: $tool; what Debian has is too old (node: 20.19 or newer, with npm, from https://nodejs.org)" >&2
		exit 1
	}
done
