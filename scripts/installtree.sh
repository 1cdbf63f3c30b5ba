#!/usr/bin/env bash
# installtree.sh OUT - make the install tree, which the controller serves under
# /install/, from bin/ and deploy/.
#
# It has the programs of a host for amd64 and arm64, which make tree-programs builds
# into bin/ and bin/ARCH. The same commit gives the same bytes.
set -euo pipefail
cd "$(dirname "$0")/.."

[[ $# -eq 1 && $1 != -* ]] || {
	echo "usage: scripts/installtree.sh OUT" >&2
	exit 2
}
out=$1
if [[ -e $out && ! -e $out/VERSION && -n $(ls -A "$out") ]]; then
	echo "$out is not empty and no install tree" >&2
	exit 1
fi
host=$(go env GOHOSTARCH)
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}

stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT

# archive ROOT FILE packs what is below ROOT. It has no directories: unpacking it
# over / changes the mode of none.
archive() {
	(cd "$1" && find . -type f -printf '%P\n' | LC_ALL=C sort) >"$stage/list"
	tar --format=ustar --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" \
		--no-recursion -C "$1" -T "$stage/list" -cf - | gzip -9n >"$2"
	chmod 0644 "$2"
}

put() { install -D -m "$1" "$2" "$3"; }

# common ROOT PACKAGE MANUAL: the licence and the manual pages of a package.
common() {
	put 0644 LICENSE "$1/usr/share/doc/$2/copyright"
	local page
	for page in "$stage/man/$3"*.8; do
		mkdir -p "$1/usr/share/man/man8"
		gzip -9nc "$page" >"$1/usr/share/man/man8/$(basename "$page").gz"
		chmod 0644 "$1/usr/share/man/man8/$(basename "$page").gz"
	done
}

# role PROGRAM CONF: the archive of a connector or a tunneler.
role() {
	local root=$stage/$arch/$1
	put 0755 "$from/$1" "$root/usr/bin/$1"
	put 0644 "deploy/systemd/$1.service" "$root/etc/systemd/system/$1.service"
	put 0644 "$stage/completions/$1.bash" "$root/usr/share/bash-completion/completions/$1"
	put 0644 "$stage/completions/$1.zsh" "$root/usr/share/zsh/vendor-completions/_$1"
	put 0644 "$stage/completions/$1.fish" "$root/usr/share/fish/vendor_completions.d/$1.fish"
	put 0644 "deploy/packages/$2" "$root/usr/share/doc/$1/$2"
	common "$root" "$1" "$1"
	archive "$root" "$new/linux-$arch/$1.tar.gz"
}

# agent: the archive of what gives the roles of a host their identities.
agent() {
	local root=$stage/$arch/agent
	put 0755 "$from/host-agent" "$root/usr/lib/grpc-spire-agent/host-agent"
	put 0755 "$from/spire-agent" "$root/usr/lib/grpc-spire-agent/spire-agent"
	put 0644 deploy/systemd/spire-agent.service "$root/etc/systemd/system/spire-agent.service"
	put 0644 deploy/packages/spire-agent.sysusers "$root/usr/lib/sysusers.d/grpc-spire-agent.conf"
	put 0644 deploy/packages/spire-agent.tmpfiles "$root/usr/lib/tmpfiles.d/grpc-spire-agent.conf"
	put 0644 deploy/packages/agent.conf "$root/usr/share/doc/grpc-spire-agent/agent.conf"
	put 0644 "$stage/NOTICE" "$root/usr/share/doc/grpc-spire-agent/NOTICE"
	common "$root" grpc-spire-agent host-agent
	archive "$root" "$new/linux-$arch/grpc-spire-agent.tar.gz"
}

mkdir -p "$stage/man" "$stage/completions"
for program in grpcconnector grpctunneler host-agent; do
	"bin/$program" man --dir "$stage/man"
	for shell in bash zsh fish; do
		"bin/$program" completion "$shell" >"$stage/completions/$program.$shell"
	done
done
spire=$(awk '$1 == "github.com/spiffe/spire" { print $2; exit }' spire/release/go.mod)
sed "s/@SPIRE_VERSION@/$spire/" deploy/packages/NOTICE >"$stage/NOTICE"

new=$stage/tree
put 0644 scripts/setup.sh "$new/setup.sh"
put 0644 scripts/tunneler-setup.sh "$new/tunneler-setup.sh"
read -r _ version _ < <("bin/grpcconnector" version)
echo "$version" >"$new/VERSION"
for arch in amd64 arm64; do
	from=bin
	[[ $arch == "$host" ]] || from=bin/$arch
	for program in grpcconnector grpctunneler host-agent spire-agent; do
		[[ -x $from/$program ]] || {
			echo "missing: $from/$program; run: make tree-programs" >&2
			exit 1
		}
	done
	mkdir -p "$new/linux-$arch"
	role grpcconnector connector.conf
	role grpctunneler tunneler.conf
	agent
done
find "$new" -type f -exec chmod 0644 {} + -o -type d -exec chmod 0755 {} +
find "$new" -exec touch -d "@$SOURCE_DATE_EPOCH" {} +
rm -rf "$out"
mkdir -p "$(dirname "$out")"
cp -a "$new" "$out"
