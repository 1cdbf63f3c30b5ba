#!/usr/bin/env bash
# packages.sh OUTDIR - build the .deb and .rpm packages from bin/ and deploy/.
#
# The same commit gives the same bytes: times come from the commit
# (SOURCE_DATE_EPOCH), programs are built with -trimpath. ARCH is amd64 or arm64;
# programs for it are in bin/, or in bin/$ARCH when it is not that of this machine.
set -euo pipefail
cd "$(dirname "$0")/.."

[[ $# -eq 1 && $1 != -* ]] || {
	echo "usage: scripts/packages.sh OUTDIR" >&2
	exit 2
}
out=$1
host=$(go env GOHOSTARCH)
ARCH=${ARCH:-$host}
bin=bin
[[ $ARCH == "$host" ]] || bin=bin/$ARCH
umask 022
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}

# A tag v1.2.3 is version 1.2.3; what is not tagged sorts before every release and
# by the time of its commit.
version=${VERSION:-$(git describe --tags --always --dirty)}
if [[ $version =~ ^v?[0-9]+\.[0-9]+ ]]; then
	version=${version#v}
	PACKAGE_VERSION=${version//-/.}
else
	PACKAGE_VERSION=0.0.0~$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y%m%d%H%M%S).${version//-/.}
fi

STAGE=$(mktemp -d)
trap 'rm -rf "$STAGE"' EXIT

mkdir -p "$STAGE"/{bin,units,conf,man,completions,doc,scripts} "$out"
for program in grpccontroller grpcconnector grpctunneler host-agent spire-server spire-agent; do
	cp -L "$bin/$program" "$STAGE/bin/$program"
done
cp deploy/systemd/*.service "$STAGE/units/"
cp deploy/packages/*.conf deploy/packages/*.sysusers deploy/packages/*.tmpfiles deploy/controller.yaml "$STAGE/conf/"
for program in grpccontroller grpcconnector grpctunneler host-agent; do
	"bin/$program" man --dir "$STAGE/man"
	for shell in bash zsh fish; do
		"bin/$program" completion "$shell" >"$STAGE/completions/$program.$shell"
	done
done
gzip -9n "$STAGE"/man/*.8
cp deploy/packages/copyright LICENSE "$STAGE/doc/"
spire=$(awk '$1 == "github.com/spiffe/spire" { print $2; exit }' spire/release/go.mod)
sed "s/@SPIRE_VERSION@/$spire/" deploy/packages/NOTICE >"$STAGE/doc/NOTICE"
scripts/installtree.sh "$STAGE/install"

# A package's changelog is the commit that it was built from; git has the others.
maintainer=$(sed -n 's/^maintainer: //p' deploy/packages/grpccontroller.yaml)
change="Built from commit ${COMMIT:-$(git rev-parse HEAD)}."
cat >"$STAGE/doc/changelog.yaml" <<EOF
- semver: $PACKAGE_VERSION-1
  date: $(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)
  packager: $maintainer
  changes: [{note: "$change"}]
EOF
for package in grpccontroller grpcconnector grpctunneler grpc-spire-agent; do
	printf '%s (%s) unstable; urgency=medium\n\n  * %s\n\n -- %s  %s\n' "$package" "$PACKAGE_VERSION" "$change" "$maintainer" \
		"$(LC_ALL=C date -u -R -d "@$SOURCE_DATE_EPOCH")" | gzip -9n >"$STAGE/doc/changelog.$package.gz"
	sed "s/@PACKAGE@/$package/" deploy/packages/lintian-overrides >"$STAGE/doc/$package.overrides"
done

# scripts PACKAGE UNIT UNITS STATE USER fills in the maintainer scripts.
scripts() {
	mkdir -p "$STAGE/scripts/$1"
	local script
	for script in preinstall postinstall preremove postremove; do
		sed -e "s|@MADE@|/var/lib/misc/$1.made|g" -e "s|@AGENT@|/var/lib/spire-agent|g" -e "s|@PACKAGE@|$1|g" -e "s|@UNITS@|$3|g" -e "s|@UNIT@|$2|g" -e "s|@STATE@|$4|g" -e "s|@USER@|$5|g" \
			"deploy/packages/$script.sh" >"$STAGE/scripts/$1/$script.sh"
	done
}
state() { echo "/etc/$1 /var/lib/$1 /var/lib/private/$1"; }
scripts grpccontroller grpccontroller.service grpccontroller.service "$(state grpccontroller)" grpccontroller
scripts grpcconnector grpcconnector.service "grpcconnector.service grpcconnector-enroll.service" "$(state grpcconnector)" grpcconnector
scripts grpctunneler grpctunneler.service "grpctunneler.service grpctunneler-enroll.service" "$(state grpctunneler)" grpctunneler
scripts grpc-spire-agent spire-agent.service spire-agent.service "/etc/grpc-spire-agent /var/lib/spire-agent" spire-agent

case $ARCH in
arm64) rpmarch=aarch64 ;;
*) rpmarch=x86_64 ;;
esac
rm -f "$out"/*_"$ARCH".deb "$out"/*."$rpmarch".rpm
find "$STAGE" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
for package in grpccontroller grpcconnector grpctunneler grpc-spire-agent; do
	for format in deb rpm; do
		# Control files of Debian know no licence, and rpm alone marks documentation.
		doc="" license="" changelog=""
		[[ $format == deb ]] || doc=doc license=Apache-2.0 changelog=$STAGE/doc/changelog.yaml
		sed -e "s|[$]{STAGE}|$STAGE|g" -e "s|\${ARCH}|$ARCH|g" -e "s|\${PACKAGE_VERSION}|$PACKAGE_VERSION|g" \
			-e "s|\${DOC}|$doc|g" -e "s|\${LICENSE}|$license|g" -e "s|\${CHANGELOG}|$changelog|g" \
			"deploy/packages/$package.yaml" | while IFS= read -r line; do
			# nfpm finds the files of a pattern, but not as documentation.
			if [[ $line == '  # @MAN@ '* ]]; then
				for page in "$STAGE/man/${line##* }"*.8.gz; do
					echo "  - {src: $page, dst: /usr/share/man/man8/${page##*/}, type: '$doc', file_info: {mode: 0644, owner: root, group: root}}"
				done
			else
				echo "$line"
			fi
		done >"$STAGE/$package.yaml"
		go tool -modfile=internal/tools/nfpm.mod nfpm package --packager "$format" --config "$STAGE/$package.yaml" --target "$out/" >"$STAGE/log" 2>&1 || {
			cat "$STAGE/log" >&2
			exit 1
		}
	done
done
ls -1 "$out"
