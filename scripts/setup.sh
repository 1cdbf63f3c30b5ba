#!/usr/bin/env bash
{ # All of it is one command, which the last line closes: of a download that was cut off, nothing runs.
# Fetches grpcconnector or grpctunneler from its controller, verifies it by the signed checksums and starts its command
# `install`, which does the rest: docs/install.md. tunneler-setup.sh is this file with another ROLE, by `make scripts`.
set -euo pipefail +x
ROLE=connector
TOKEN=${ENROLLMENT_TOKEN-} CA=${CONTROLLER_CA_PATH-} TRUST_DOMAIN=${TRUST_DOMAIN:-mycorp.internal}
unset ENROLLMENT_TOKEN TAR_OPTIONS GZIP CDPATH
export LC_ALL=C PATH="$PATH:/usr/sbin:/sbin"
PROGRAM=grpc$ROLE OTHER=grpctunneler SCRIPT=setup.sh ID_NAME=${ROLE^^}_ID
[[ $ROLE == connector ]] || OTHER=grpcconnector SCRIPT=tunneler-setup.sh
PINNED=/etc/grpc-spire-agent/release.pub WORK='' FAULTS=() HERE=no
USAGE="$SCRIPT - install $PROGRAM on this host, enroll it and start it
  sudo CONTROLLER_ADDR=ctl.example.com:8443 $ID_NAME=my-$ROLE CONTROLLER_CA_PATH=ca.crt bash $SCRIPT [OPTION]
It asks for the enrollment token, or takes it from standard input, ENROLLMENT_TOKEN_FILE or ENROLLMENT_TOKEN.
Options: -f, --uninstall, --dry-run, --version, --accept-release-key; \`$PROGRAM install --help\` explains them."
fail() { printf '%s: %s\n' "$SCRIPT" "$1" >&2; exit "${2:-1}"; }
must() { if [[ -z ${!1-} ]]; then FAULTS+=("$1: is missing: $3"); elif [[ ! ${!1} =~ $2 ]]; then FAULTS+=("$1: must be $3, is \"${!1}\""); fi; }
# get PATH, under no CA but the given one. Hosts behind one NAT that are installed in the same minute take turns.
get() {
	local code status tries
	for ((tries = 0; tries < 60; tries++)); do
		code=0
		status=$(curl -q -fsS --proto '=https' --noproxy '*' --cacert "$CA" --capath "$WORK/none" --connect-timeout 15 --speed-limit 1 --speed-time 30 \
			--connect-to "enroll.$TRUST_DOMAIN:8443:$CONTROLLER_ADDR" --max-filesize 268435456 -o "$WORK/${1##*/}" \
			-w '%{http_code} %{ssl_verify_result}' "https://enroll.$TRUST_DOMAIN:8443/install/$1" 2>"$WORK/error") || code=$?
		[[ $code:$status =~ ^(22:503|52:000|56:000) ]] || break
		sleep "$((3 + RANDOM % 5))"
	done
	case $code:$status in
	0:*) ;;
	60:*' 9' | 60:*' 10') fail "a certificate of $CONTROLLER_ADDR is not valid at the time of this host's clock, $(date -u '+%F %R') UTC: set the clock, or ask for a new ca.crt" ;;
	60:* | 51:* | 77:*) fail "the controller at $CONTROLLER_ADDR is not the one of $CA and trust domain $TRUST_DOMAIN: check CONTROLLER_ADDR, CONTROLLER_CA_PATH and TRUST_DOMAIN" ;;
	6:* | 7:* | 28:*) fail "no connection to $CONTROLLER_ADDR: check CONTROLLER_ADDR and its name in the DNS, that the controller runs, and the firewalls between" ;;
	22:503*) fail "the controller at $CONTROLLER_ADDR is busy with other downloads: run the command again later" ;;
	22:*) fail "the controller at $CONTROLLER_ADDR has no $1 to install: its package brings it" ;;
	*) fail "download of $1 from $CONTROLLER_ADDR failed: $(<"$WORK/error")" ;;
	esac
}
fingerprint() { openssl pkey -pubin -in "$1" -outform DER 2>/dev/null | sha256sum | cut -c 1-64; }
for o; do [[ $o =~ ^(-f|-h|--help|--dry-run|--uninstall|--version|--accept-release-key)$ ]] || fail "unknown option \"$o\": see --help" 2; done
[[ " $* " != *' -h '* && " $* " != *' --help '* ]] || { echo "$USAGE"; exit; }
[[ " $* " != *' --uninstall '* && " $* " != *' --version '* ]] || HERE=yes
[[ $HERE == no || ! -x /usr/bin/$PROGRAM ]] || exec "/usr/bin/$PROGRAM" install "$@" </dev/null
[[ $HERE$CA == yes && ! -e /etc/$PROGRAM && (-e /usr/bin/$OTHER || ! -e /var/lib/spire-agent) ]] && echo "$PROGRAM is not on this host. Done." && exit
lacks=$(for tool in curl tar gzip openssl systemctl systemd-sysusers systemd-tmpfiles userdel getent sha256sum; do command -v $tool >/dev/null || echo -n " $tool"; done)
[[ -z $lacks ]] || FAULTS+=("missing programs:$lacks (apt-get install or dnf install curl tar gzip openssl systemd coreutils, and passwd on Debian, shadow-utils on RHEL)")
[[ $EUID == 0 ]] || FAULTS+=("this needs root: run it with sudo")
case $HOSTTYPE in x86_64) ARCH=linux-amd64 ;; aarch64) ARCH=linux-arm64 ;; *) FAULTS+=("no programs for $HOSTTYPE: only x86_64 and aarch64") ;; esac
must CONTROLLER_ADDR '^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?):0*([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])$' host:port
[[ $HERE == yes ]] || must "$ID_NAME" '^[a-z0-9][a-z0-9-]{0,62}$' "1 to 63 characters of a-z, 0-9 and '-', starting with a letter or digit"
must TRUST_DOMAIN '^[a-z0-9._-]{1,255}$' "a SPIFFE trust domain such as mycorp.internal"
must CONTROLLER_CA_PATH . "the path of the controller's ca.crt"
if [[ -n $CA && (! -f $CA || ! -r $CA) ]]; then FAULTS+=("CONTROLLER_CA_PATH: $CA is not a file that can be read"); elif [[ -n $CA && -z $lacks ]]; then
	[[ $(<"$CA") != *'PRIVATE KEY-----'* ]] || FAULTS+=("CONTROLLER_CA_PATH: $CA holds a private key, which belongs on no other host: give ca.crt")
	text=$(openssl x509 -noout -text -in "$CA" 2>/dev/null) || FAULTS+=("CONTROLLER_CA_PATH: $CA holds no certificate in PEM: give the controller's ca.crt")
	[[ $(grep -c 'BEGIN CERT' "$CA") != 1 || -z $text ]] || openssl x509 -noout -checkend 0 -in "$CA" >/dev/null || FAULTS+=("CONTROLLER_CA_PATH: the certificate in $CA has expired, or this host's clock is wrong ($(date -u +%F))")
	[[ -z $text || $text == *CA:TRUE* ]] || FAULTS+=("CONTROLLER_CA_PATH: $CA holds a certificate that is not a CA's: give the controller's ca.crt")
fi
[[ ${#FAULTS[@]} == 0 ]] || fail "nothing was touched, because:$(printf '\n  - %s' "${FAULTS[@]}")" 2
trap 'rm -rf "$WORK"' EXIT
WORK=$(mktemp -d -t grpc-setup.XXXXXXXXXX) FILE=$ARCH/$PROGRAM.tar.gz WANT=''
for file in SHA256SUMS SHA256SUMS.sig release.pub "$FILE"; do get "$file"; done
offered=$(fingerprint "$WORK/release.pub") || fail "the controller's release key cannot be read: nothing is installed"
if [[ -e $PINNED && " $* " != *' --accept-release-key '* ]]; then
	known=$(fingerprint $PINNED) || fail "$PINNED cannot be read: remove it to accept the controller's key again"
	[[ $known == "$offered" ]] || fail "the controller has another release key ($offered) than $PINNED ($known). If its operator confirms the new one, run this again with --accept-release-key"
fi
openssl dgst -sha256 -verify "$WORK/release.pub" -signature "$WORK/SHA256SUMS.sig" "$WORK/SHA256SUMS" >/dev/null 2>&1 ||
	fail "the signature of the checksums is wrong: nothing is installed from $CONTROLLER_ADDR"
while read -r sum path; do [[ $path != "$FILE" ]] || WANT+=$sum; done <"$WORK/SHA256SUMS"
[[ $(sha256sum <"$WORK/$PROGRAM.tar.gz") == "$WANT  -" ]] || fail "$FILE is not the file that the signed checksums name: nothing is installed"
tar -xzOf "$WORK/$PROGRAM.tar.gz" "usr/bin/$PROGRAM" >"$WORK/$PROGRAM" 2>/dev/null || fail "$FILE is not an archive with the program: nothing is installed"
chmod 0700 "$WORK/$PROGRAM"
"$WORK/$PROGRAM" version >/dev/null || fail "the program does not run in $WORK: if no program may there (noexec), set TMPDIR to another directory"
[[ -n ${BASH_SOURCE[0]-}${BASH_EXECUTION_STRING-} ]] || exec </dev/null # standard input was this script
[[ -n $TOKEN ]] || exec "$WORK/$PROGRAM" install --fetched "$WORK" "$@"
echo "$SCRIPT: note: a token on the command line stays in the shell's history and, with sudo, in sudo's log, and all users can see it among sudo's arguments (ps) until the command ends; without ENROLLMENT_TOKEN it is asked for" >&2
exec "$WORK/$PROGRAM" install --fetched "$WORK" --enrollment-token-file /dev/fd/3 "$@" 3< <(printf '%s\n' "$TOKEN")
}
