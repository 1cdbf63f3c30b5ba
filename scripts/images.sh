#!/usr/bin/env bash
# images.sh OUTDIR - put together what deploy/Containerfile copies, and build the
# images grpccontroller, grpcconnector and grpctunneler, if there is an engine.
#
# ARCH is amd64 or arm64. ENGINE is podman or docker, with arguments if need be; the
# default is the first that exists, and "none" builds nothing.
set -euo pipefail
cd "$(dirname "$0")/.."

[[ $# -eq 1 && $1 != -* ]] || {
	echo "usage: scripts/images.sh OUTDIR" >&2
	exit 2
}
out=$1
host=$(go env GOHOSTARCH)
ARCH=${ARCH:-$host}
bin=bin
[[ $ARCH == "$host" ]] || bin=bin/$ARCH
anchors=/etc/ssl/certs/ca-certificates.crt
[[ -f $anchors ]] || {
	echo "missing: $anchors, which the controller calls OIDC and ACME with; apt-get install ca-certificates" >&2
	exit 1
}

rm -rf "$out"
mkdir -p "$out"/{bin,doc,empty}
for program in grpccontroller grpcconnector grpctunneler spire-server spire-agent; do
	cp -L "$bin/$program" "$out/bin/$program"
done
cp "$anchors" "$out/ca-certificates.crt"
cp LICENSE "$out/doc/copyright"
spire=$(awk '$1 == "github.com/spiffe/spire" { print $2; exit }' spire/release/go.mod)
sed "s/@SPIRE_VERSION@/$spire/" deploy/packages/NOTICE >"$out/doc/NOTICE"
find "$out" -type d -exec chmod 0755 {} +
find "$out" -type f -exec chmod 0644 {} +
chmod 0755 "$out"/bin/*

for engine in podman docker; do
	if [[ -z ${ENGINE:-} ]] && command -v "$engine" >/dev/null; then ENGINE=$engine; fi
done
if [[ ${ENGINE:=none} == none ]]; then
	echo "no engine: the context of deploy/Containerfile is in $out"
	exit
fi
read -ra engine <<<"$ENGINE"
for program in controller connector tunneler; do
	"${engine[@]}" build --platform "linux/$ARCH" --target "$program" --tag "grpc$program" --file "$PWD/deploy/Containerfile" "$out"
done
