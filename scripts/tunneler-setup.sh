#!/usr/bin/env bash
# Installs grpcconnector (or grpctunneler) on this host from its controller, enrolls
# the host and starts it; --help says how, docs/install.md says more.
#
# All of it is functions, and the last line is one command in braces: of a download
# that was cut off, nothing runs. tunneler-setup.sh is this file with another ROLE;
# `make scripts` writes it.
set -euo pipefail +x
ROLE=tunneler

usage() {
	cat <<-EOF
		$SCRIPT - install $PROGRAM on this host, enroll it and start it

		  sudo CONTROLLER_ADDR=ctl.example.com:8443 ${ID_NAME}=my-$ROLE CONTROLLER_CA_PATH=ca.crt bash $SCRIPT

		Variables:
		  CONTROLLER_ADDR        enrollment listener of the controller, host:port
		  ${ID_NAME}           id that the enrollment token was made for
		  CONTROLLER_CA_PATH     file with the controller's ca.crt (PEM)
		  ENROLLMENT_TOKEN       the token; better not here but on standard input or when asked,
		                         or in a file that ENROLLMENT_TOKEN_FILE names
		  TRUST_DOMAIN           default mycorp.internal
		  READY_TIMEOUT          seconds to wait until $PROGRAM is ready, default 120
	EOF
	if [[ $ROLE == connector ]]; then
		echo "  CONNECTOR_PRIVATE_IP   address at which tunnelers reach this connector; default: the one towards the controller"
	else
		echo "  CONNECTOR_ADDR         one more address of a connector, host:port, tried before those that the controller names"
	fi
	cat <<-'EOF'

		Options:
		  -f                     overwrite: keep conf as conf.TIME.bak and enroll anew, with a new token
		  --uninstall            stop and remove the program, its conf and its state
		  --dry-run              say what would be done, and do nothing
		  --version              print what is installed, and what the controller has
		  --accept-release-key   take the controller's new release key for the one seen first
		  -h, --help             print this

		Exit codes: 0 done; 1 failed, and everything is as it was unless it says otherwise;
		2 wrong usage or a host that it must not change, nothing was touched.
	EOF
}

# --- What it says ---

paint() {
	BOLD='' RED='' PLAIN=''
	if [[ -t 1 && -t 2 && -z ${NO_COLOR-} && ${TERM-dumb} != dumb ]]; then
		BOLD=$'\e[1m' RED=$'\e[31m' PLAIN=$'\e[0m'
	fi
}

# step TEXT: the text also says what failed, should it be the last.
step() {
	STEP=$1
	echo "$BOLD==> $1$PLAIN"
}
say() { echo "    $*"; }
warn() { echo "$SCRIPT: ${RED}$*$PLAIN" >&2; }

# fail TEXT [CODE] ends the run; the trap rolls back.
fail() {
	STEP=''
	warn "$1"
	exit "${2:-1}"
}

# fault notes what is wrong; all faults are shown at once, before anything is touched.
fault() { FAULTS+=("$1"); }

stop_at_faults() {
	((${#FAULTS[@]} == 0)) && return
	warn "nothing was touched, because:"
	printf '  - %s\n' "${FAULTS[@]}" >&2
	STEP=''
	exit 2
}

# --- What it may change, and how that is undone ---

# undo COMMAND... notes how to undo what the caller is about to do: the last one first,
# and it must be right whether or not that happened.
undo() {
	local line
	printf -v line '%q ' "$@"
	UNDO+=("$line")
}

rollback() {
	local i bad=0
	step "Rolling back"
	for ((i = ${#UNDO[@]} - 1; i >= 0; i--)); do
		eval "${UNDO[i]}" || bad=1
	done
	UNDO=()
	if [[ $bad == 1 ]]; then
		warn "the host is NOT as it was: see the lines above; $SCRIPT --uninstall removes all of it"
	elif [[ $KEEP_KEY == yes ]]; then
		say "Everything is as it was, except for $HOST_DIR:"
		say "the controller may have enrolled this host's key, which is kept there."
		say "Run the same command again with the same token."
	else
		say "Everything is as it was."
	fi
}

# settle keeps what was done, and drops what a run that was killed may have left.
settle() {
	local file
	UNDO=()
	for file in "$CONF" "$PINNED" "${FILES[@]/#//}"; do
		rm -f "$file$OLD" "$file$NEW"
	done
}

on_exit() {
	local code=$?
	trap '' HUP INT TERM PIPE
	trap - EXIT
	set +e
	[[ $code == 0 || -z $STEP ]] || warn "this failed: $STEP"
	[[ -e $HOST_DIR/host.key ]] || KEEP_KEY=no
	((${#UNDO[@]} == 0)) || rollback
	[[ $code == 0 || -z $HINT ]] || warn "$HINT"
	[[ -z $WORK ]] || rm -rf "$WORK"
	exit "$code"
}

# make_dirs DIR: the missing ones, each to be removed again if it is empty then.
make_dirs() {
	[[ -d $1 ]] && return
	make_dirs "$(dirname "$1")"
	undo remove_dir "$1"
	mkdir -m 0755 "$1"
}
remove_dir() { [[ ! -d $1 ]] || rmdir --ignore-fail-on-non-empty "$1"; }

# preserve FILE: a second name for it takes no space, which may be what is missing
# when it has to come back. The file of before the run counts, not one of this run.
preserve() {
	[[ -e $1 || -L $1 ]] && [[ -z ${PRESERVED[$1]-} ]] || return 0
	PRESERVED[$1]=yes
	rm -f "$1$OLD"
	undo put_back "$1"
	ln "$1" "$1$OLD"
}
put_back() {
	if [[ $1$OLD -ef $1 ]]; then
		rm -f "$1$OLD"
	elif [[ -e $1$OLD || -L $1$OLD ]]; then
		mv -fT "$1$OLD" "$1"
	fi
}

# place FROM TO MODE: a reader of TO sees the old file or the new one.
place() {
	make_dirs "$(dirname "$2")"
	if [[ -e $2 || -L $2 ]]; then
		preserve "$2"
	else
		undo rm -f "$2"
	fi
	undo rm -f "$2$NEW"
	install -o root -g root -m "$3" "$1" "$2$NEW"
	mv -fT "$2$NEW" "$2"
}

same() {
	[[ -f $2 && ! -L $2 && $(stat -c '%a %u' "$2") == "${3#0} 0" && $(sha256sum <"$1") == "$(sha256sum <"$2")" ]]
}

# --- Checks ---

check_tools() {
	local tool missing=()
	for tool in curl tar gzip openssl systemctl systemd-sysusers systemd-tmpfiles flock userdel \
		sha256sum install stat sort mktemp; do
		command -v "$tool" >/dev/null || missing+=("$tool")
	done
	((${#missing[@]} == 0)) ||
		fault "missing programs: ${missing[*]} (Debian, Ubuntu: apt-get install curl tar gzip openssl systemd util-linux passwd coreutils; RHEL: dnf install curl tar gzip openssl systemd util-linux shadow-utils coreutils)"
}

check_machine() {
	[[ $EUID == 0 ]] || fault "this needs root: run it with sudo"
	[[ -d /run/systemd/system ]] || fault "systemd does not run on this host: see docs/install.md for a container"
	case $(uname -m) in
	x86_64 | amd64) ARCH=linux-amd64 ;;
	aarch64 | arm64) ARCH=linux-arm64 ;;
	*) fault "no programs for $(uname -m): only x86_64 and aarch64" ;;
	esac
}

# check_address NAME TEXT: host:port, an IPv6 address in brackets.
check_address() {
	local pattern='^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?):([0-9]{1,5})$'
	if [[ ! $2 =~ $pattern ]] || ((10#${BASH_REMATCH[3]} < 1 || 10#${BASH_REMATCH[3]} > 65535)); then
		fault "$1: must be host:port, is \"$2\""
	fi
}

check_variables() {
	if [[ -z $CONTROLLER_ADDR ]]; then
		fault "CONTROLLER_ADDR: is missing: the controller's host:port, usually port 8443"
	else
		check_address CONTROLLER_ADDR "$CONTROLLER_ADDR"
	fi
	if [[ -z $ID ]]; then
		fault "$ID_NAME: is missing: the id that the enrollment token was made for"
	elif [[ ! $ID =~ ^[a-z0-9][a-z0-9-]{0,62}$ ]]; then
		fault "$ID_NAME: must be 1 to 63 characters of a-z, 0-9 and '-', starting with a letter or digit, is \"$ID\""
	fi
	[[ $TRUST_DOMAIN =~ ^[a-z0-9._-]{1,255}$ ]] ||
		fault "TRUST_DOMAIN: must be a SPIFFE trust domain such as mycorp.internal, is \"$TRUST_DOMAIN\""
	[[ -z $CONNECTOR_ADDR ]] || check_address CONNECTOR_ADDR "$CONNECTOR_ADDR"
	[[ $CONNECTOR_PRIVATE_IP =~ ^(|[0-9]{1,3}(\.[0-9]{1,3}){3}|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)$ ]] ||
		fault "CONNECTOR_PRIVATE_IP: must be an IP address, is \"$CONNECTOR_PRIVATE_IP\""
	[[ $READY_TIMEOUT =~ ^[0-9]{1,5}$ ]] || fault "READY_TIMEOUT: must be a number of seconds, is \"$READY_TIMEOUT\""
	check_ca
}

# check_ca: certificates of CAs and nothing else, at least one of them not expired; a
# second one is there while the CA is replaced.
check_ca() {
	local file=$CONTROLLER_CA_PATH line pem='' text good=no expired=no
	if [[ -z $file ]]; then
		fault "CONTROLLER_CA_PATH: is missing: the path of the controller's ca.crt"
		return
	fi
	if [[ ! -f $file || ! -r $file ]]; then
		fault "CONTROLLER_CA_PATH: $file is not a file that can be read"
		return
	fi
	command -v openssl >/dev/null || return 0
	while IFS= read -r line || [[ -n $line ]]; do
		line=${line%$'\r'}
		case $line in
		*'PRIVATE KEY-----')
			fault "CONTROLLER_CA_PATH: $file holds a private key, which belongs on no other host: give ca.crt"
			return
			;;
		'-----BEGIN CERTIFICATE-----') pem=$line ;;
		*) pem+=$'\n'$line ;;
		esac
		[[ $line == '-----END CERTIFICATE-----' ]] || continue
		text=$(openssl x509 -noout -text 2>/dev/null <<<"$pem") || {
			fault "CONTROLLER_CA_PATH: $file holds a certificate that cannot be read"
			return
		}
		if [[ $text != *CA:TRUE* ]]; then
			fault "CONTROLLER_CA_PATH: $file holds a certificate that is not a CA's: give the controller's ca.crt"
			return
		fi
		if openssl x509 -noout -checkend 0 >/dev/null 2>&1 <<<"$pem"; then good=yes; else expired=yes; fi
	done <"$file"
	[[ $good == no ]] || return 0
	if [[ $expired == yes ]]; then
		fault "CONTROLLER_CA_PATH: the certificate in $file has expired, or this host's clock is wrong ($(date -u +%F))"
	else
		fault "CONTROLLER_CA_PATH: $file holds no certificate in PEM: give the controller's ca.crt"
	fi
}

# packaged NAME: says which tool installed the package, or nothing.
packaged() {
	if command -v dpkg-query >/dev/null && [[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]; then
		echo dpkg
	elif command -v rpm >/dev/null && rpm -q "$1" >/dev/null 2>&1; then
		echo rpm
	fi
}

# check_packages: what a package manager put there is the package manager's to change.
check_packages() {
	local tool
	tool=$(packaged "$PROGRAM")
	[[ -z $tool ]] || fault "$PROGRAM comes from a package ($tool) on this host, which installs, upgrades and removes it. To enroll:
      $PROGRAM enroll --controller-addr ${CONTROLLER_ADDR:-HOST:8443} --controller-ca-path ${CONTROLLER_CA_PATH:-ca.crt} --$ROLE-id ${ID:-ID} --trust-domain $TRUST_DOMAIN --token-file -"
	AGENT_PACKAGE=$(packaged grpc-spire-agent)
}

# unit_property UNIT NAME: empty where systemd has none to show.
unit_property() { systemctl show -p "$2" "$1" 2>/dev/null | { IFS= read -r line || line=''; echo "${line#*=}"; }; }

# check_agent: a SPIRE agent that is not ours is left alone, and so are its files.
check_agent() {
	command -v systemctl >/dev/null && [[ -d /run/systemd/system ]] || return 0
	local load exec owner home entry
	load=$(unit_property spire-agent.service LoadState)
	exec=$(unit_property spire-agent.service ExecStart)
	AGENT_THERE=no
	if [[ $load != not-found ]]; then
		AGENT_THERE=yes
		[[ $exec == *"path=$AGENT_DIR/host-agent ;"* ]] ||
			fault "another spire-agent.service is on this host ($load: $(unit_property spire-agent.service FragmentPath)) and is not touched: rename or remove it, or use another host"
	fi
	AGENT_ACTIVE=$(unit_property spire-agent.service ActiveState)
	for entry in "$HOST_DIR" /run/spire-agent; do
		[[ -e $entry || -L $entry ]] || continue
		owner=$(stat -c '%U %F' "$entry")
		[[ $owner == 'spire-agent directory' || $entry == "$HOST_DIR" && $owner == 'root directory' ]] ||
			fault "$entry belongs to something else ($owner) and is not touched"
	done
	[[ ! -e /run/spire-agent || $AGENT_THERE == yes ]] ||
		fault "/run/spire-agent belongs to a SPIRE agent that is not ours, which is not touched"
	for entry in "$HOST_DIR"/*; do
		case ${entry##*/} in
		host.* | bundle.pem* | controller-ca.crt* | agent.conf* | data | data.* | join-token* | '*') ;;
		*) fault "$HOST_DIR holds $entry, which is not ours: another SPIRE agent's data is not touched" ;;
		esac
	done
	home=~spire-agent
	[[ $home == "$HOST_DIR" || $home == '~spire-agent' ]] ||
		fault "the user spire-agent (home $home) belongs to another SPIRE agent, which is not touched"
}

# value FILE KEY: of a KEY=VALUE file, the last one; empty for none.
value() {
	local line found='' pattern="^[[:space:]]*(export[[:space:]]+)?$2=[\"']?([^\"'#[:space:]]*)"
	[[ -f $1 ]] || return 0
	while IFS= read -r line || [[ -n $line ]]; do
		[[ $line =~ $pattern ]] && found=${BASH_REMATCH[2]}
	done <"$1"
	echo "$found"
}

# host_fact NAME: a text of host.json.
host_fact() {
	local text=''
	[[ ! -f $HOST_DIR/host.json ]] || text=$(<"$HOST_DIR/host.json")
	[[ $text =~ \"$1\":\ *\"([^\"]*)\" ]] && echo "${BASH_REMATCH[1]}"
	return 0
}

# check_enrollment: ENROLLED says whether the host has this role and id already. What
# the operator wrote into the conf file stays; what disagrees is his to decide.
check_enrollment() {
	local td name old given
	td=$(host_fact trust_domain)
	[[ -z $td || $td == "$TRUST_DOMAIN" ]] ||
		fault "the SPIRE agent of this host is enrolled in trust domain \"$td\", not \"$TRUST_DOMAIN\": check TRUST_DOMAIN; a host has one trust domain"
	ENROLLED=no
	[[ -e $HOST_DIR/host.crt && -n $(value "$CONF" CONTROL_PLANE_ADDRS) ]] && ENROLLED=yes
	[[ $FORCE == no ]] || return 0
	for name in "$ID_NAME" CONTROLLER_ADDR TRUST_DOMAIN CONNECTOR_ADDR CONNECTOR_PRIVATE_IP; do
		old=$(value "$CONF" "$name") given=${!name}
		if [[ $name == CONTROLLER_ADDR && $ENROLLED == yes && -n $old && -n $given && $old != "$given" ]]; then
			fault "$CONF says CONTROLLER_ADDR=$old, and here it is \"$given\": use that, or move the host with: $PROGRAM set-controller $given"
			continue
		fi
		[[ -z $old || -z $given || $old == "$given" ]] ||
			fault "$CONF says $name=$old, and here it is \"$given\": use that, or -f to keep the file as a backup and enroll anew"
	done
}

# --- The token ---

# take_token keeps it in a variable of this shell alone, and out of the environment.
take_token() {
	local secret=${ENROLLMENT_TOKEN-}
	unset ENROLLMENT_TOKEN TOKEN
	TOKEN=$secret
	declare +x TOKEN
}

# read_token asks only where nothing else is wrong.
read_token() {
	local prefix="zt${ROLE:0:1}_"
	if [[ -n $TOKEN ]]; then
		warn "note: a token on the command line stays in the shell's history and, with sudo, in sudo's log; without ENROLLMENT_TOKEN it is asked for"
	elif [[ -n $TOKEN_FILE ]]; then
		[[ -f $TOKEN_FILE && -r $TOKEN_FILE ]] || fault "ENROLLMENT_TOKEN_FILE: $TOKEN_FILE is not a file that can be read"
		[[ ! -f $TOKEN_FILE || ! -r $TOKEN_FILE ]] || IFS= read -r -n 256 TOKEN <"$TOKEN_FILE" || true
	elif [[ $ON_STDIN == yes || -t 0 ]]; then
		((${#FAULTS[@]} == 0)) || return 0
		if { true </dev/tty; } 2>/dev/null; then
			IFS= read -rs -p "Enrollment token (not shown): " TOKEN </dev/tty 2>/dev/tty || true
			echo >/dev/tty
		fi
	else
		IFS= read -r -n 256 TOKEN || true
	fi
	TOKEN=${TOKEN//[[:space:]]/}
	if [[ -z $TOKEN ]]; then
		fault "ENROLLMENT_TOKEN: is missing: an enrollment token, on standard input, in a file that ENROLLMENT_TOKEN_FILE names, or in this variable"
	elif [[ ! $TOKEN =~ ^${prefix}[a-z2-7]+$ ]]; then
		fault "ENROLLMENT_TOKEN: is not an enrollment token for a $ROLE, which begins with $prefix: copy it again"
	fi
}

# --- What the controller offers ---

# get PATH: a file of the controller's install tree, into $WORK/get. No other CA than
# the given one counts, and no configuration file of curl.
get() {
	local code status tries
	mkdir -p "$WORK/get/$(dirname "$1")" "$WORK/no-ca"
	# A controller has room for so many downloads of one address: hosts behind one NAT
	# that are installed in the same minute take turns.
	for ((tries = 0; tries < 60; tries++)); do
		code=0
		status=$(curl -q -fsS --proto '=https' --noproxy '*' --cacert "$CONTROLLER_CA_PATH" --capath "$WORK/no-ca" \
			--connect-to "enroll.$TRUST_DOMAIN:8443:$CONTROLLER_ADDR" --connect-timeout 15 --speed-limit 1 --speed-time 30 \
			--max-filesize 268435456 -o "$WORK/get/$1" -w '%{http_code}' "https://enroll.$TRUST_DOMAIN:8443/install/$1") || code=$?
		case $code:$status in
		22:503 | 52:000 | 56:000) sleep "$((3 + RANDOM % 5))" ;; # busy, or no place at all
		*) break ;;
		esac
	done
	case $code in
	0) ;;
	60 | 51) fail "the controller at $CONTROLLER_ADDR is not that of $CONTROLLER_CA_PATH and trust domain $TRUST_DOMAIN: check CONTROLLER_ADDR, CONTROLLER_CA_PATH and TRUST_DOMAIN" ;;
	6) fail "the name in CONTROLLER_ADDR ($CONTROLLER_ADDR) is unknown: check it, and this host's DNS" ;;
	7 | 28) fail "no connection to $CONTROLLER_ADDR: check CONTROLLER_ADDR, that the controller runs, and the firewalls between" ;;
	22) [[ $status != 503 ]] || fail "the controller at $CONTROLLER_ADDR is busy with other downloads: run the command again later"
		fail "the controller at $CONTROLLER_ADDR has no $1 to install: its package brings it" ;;
	*) fail "download of $1 from $CONTROLLER_ADDR failed (curl exit code $code)" ;;
	esac
}

fingerprint() { openssl pkey -pubin -in "$1" -outform DER 2>/dev/null | sha256sum | cut -c 1-64; }

# verify_release: who signed the checksums is whoever signed them at the first time.
verify_release() {
	local key=$WORK/get/release.pub old new
	new=$(fingerprint "$key") || fail "the controller's release key cannot be read"
	PIN=no
	if [[ ! -e $PINNED ]]; then
		PIN=yes
		say "release key $new: seen for the first time, and kept"
	else
		old=$(fingerprint "$PINNED") || fail "$PINNED cannot be read: remove it to take the controller's key anew"
		if [[ $old != "$new" ]]; then
			[[ $ACCEPT_KEY == yes ]] || fail "the controller has another release key than the one that this host knows
  known   $old  ($PINNED)
  offered $new
If the operator of the controller confirms the new one, run this again with --accept-release-key."
			PIN=yes
			say "release key $new: accepted in place of $old"
		fi
	fi
	openssl dgst -sha256 -verify "$key" -signature "$WORK/get/SHA256SUMS.sig" "$WORK/get/SHA256SUMS" >/dev/null 2>&1 ||
		fail "the signature of the checksums is wrong: nothing is installed from $CONTROLLER_ADDR"
}

# verify_sum PATH: exactly the file that the signed list means.
verify_sum() {
	local sum path want=''
	while read -r sum path; do
		[[ $path != "$1" ]] || want+=$sum
	done <"$WORK/get/SHA256SUMS"
	[[ $(sha256sum <"$WORK/get/$1") == "$want  -" ]] || fail "$1 is not the file that the signed checksums name: nothing is installed"
}

# patterns PACKAGE: what its archive may hold, and what removing it removes. A star
# stands for no slash.
patterns() {
	if [[ $1 == grpc-spire-agent ]]; then
		printf '%s\n' "${AGENT_DIR#/}/host-agent" "${AGENT_DIR#/}/spire-agent" etc/systemd/system/spire-agent.service \
			"usr/lib/sysusers.d/$1.conf" "usr/lib/tmpfiles.d/$1.conf" 'usr/share/man/man8/host-agent*.8.gz'
	else
		printf '%s\n' "usr/bin/$1" "etc/systemd/system/$1.service" "usr/share/man/man8/$1*.8.gz" \
			"usr/share/bash-completion/completions/$1" "usr/share/zsh/vendor-completions/_$1" \
			"usr/share/fish/vendor_completions.d/$1.fish"
	fi
	echo "usr/share/doc/$1/*"
}

# unpack PACKAGE into $WORK/tree, if it holds plain files at their places only.
unpack() {
	local archive=$WORK/get/$ARCH/$1.tar.gz i name pattern ok names types
	mapfile -t names < <(tar -tzf "$archive" 2>/dev/null)
	mapfile -t types < <(tar -tvzf "$archive" 2>/dev/null)
	((${#names[@]} > 0 && ${#names[@]} == ${#types[@]})) || fail "$1.tar.gz is not an archive"
	for i in "${!names[@]}"; do
		name=${names[i]} ok=no
		[[ $name =~ ^[A-Za-z0-9_][A-Za-z0-9._/-]*$ && /$name/ != */../* ]] || fail "$1.tar.gz holds \"$name\", which has no place here"
		case ${types[i]} in
		d*) continue ;;
		-*)
			while read -r pattern; do
				# shellcheck disable=SC2053 # the pattern is one
				[[ $name == $pattern && ${name//[!\/]/} == "${pattern//[!\/]/}" ]] && ok=yes
			done < <(patterns "$1")
			;;
		esac
		[[ $ok == yes ]] || fail "$1.tar.gz holds \"$name\", which has no place here"
		PACKAGE_FILES+=("$name")
	done
	mkdir -p "$WORK/tree"
	tar -xzf "$archive" --no-same-owner --no-same-permissions -C "$WORK/tree"
}

mode_of() {
	case $1 in
	usr/bin/* | "${AGENT_DIR#/}"/*) echo 0755 ;;
	*) echo 0644 ;;
	esac
}

fetch() {
	step "Asking $CONTROLLER_ADDR what to install"
	local file package
	for file in SHA256SUMS SHA256SUMS.sig release.pub VERSION; do get "$file"; done
	verify_release
	verify_sum VERSION
	read -r OFFERED _ <"$WORK/get/VERSION"
	if [[ $OFFERED == "$PROGRAM" ]]; then read -r _ OFFERED _ <"$WORK/get/VERSION"; fi
	step "Downloading $PROGRAM $OFFERED for ${ARCH/-/\/}"
	for package in "${PACKAGES[@]}"; do
		get "$ARCH/$package.tar.gz"
		verify_sum "$ARCH/$package.tar.gz"
	done
}

# version_of FILE: of an installed program of ours; empty for none.
version_of() {
	local version=''
	[[ ! -x $1 ]] || read -r _ version _ < <("$1" version 2>/dev/null) || true
	echo "$version"
}

# outdated VERSION: whether what the controller offers should take its place. Where
# there is no order between two versions, the controller's is the right one.
outdated() {
	local numbered='^v?[0-9]+\.[0-9]'
	[[ $1 =~ $numbered && $OFFERED =~ $numbered && $1 != "$OFFERED" ]] || return 0
	[[ $(printf '%s\n' "$1" "$OFFERED" | sort -V | tail -n 1) == "$OFFERED" ]]
}

# plan fills CHANGED with the files to place.
plan() {
	local package version file
	CHANGED=() AGENT_CHANGED=no ROLE_CHANGED=no
	for package in "${PACKAGES[@]}"; do
		PACKAGE_FILES=()
		unpack "$package"
		FILES+=("${PACKAGE_FILES[@]}")
		if [[ $package == "$PROGRAM" ]]; then version=$(version_of "/usr/bin/$PROGRAM"); else version=$(version_of "$AGENT_DIR/host-agent"); fi
		if ! outdated "$version"; then
			say "$package $version on this host is newer, and stays"
			continue
		fi
		for file in "${PACKAGE_FILES[@]}"; do
			same "$WORK/tree/$file" "/$file" "$(mode_of "$file")" && continue
			CHANGED+=("$file")
			if [[ $package == "$PROGRAM" ]]; then ROLE_CHANGED=yes; else AGENT_CHANGED=yes; fi
		done
	done
	[[ -f $WORK/tree/usr/bin/$PROGRAM && -f $WORK/tree/etc/systemd/system/$UNIT ]] || fail "the controller's $PROGRAM.tar.gz lacks the program or its unit"
}

# --- The installation ---

healthy() {
	[[ $(unit_property "$UNIT" ActiveState) == active && $(unit_property spire-agent.service ActiveState) == active ]] &&
		systemctl --quiet is-enabled "$UNIT" spire-agent.service 2>/dev/null && ready
}

# ready: the program's own word; READY_REASON is why not.
ready() {
	local at line code
	at=$(value "$CONF" HEALTH_ADDR)
	READY_REASON="$UNIT is $(unit_property "$UNIT" ActiveState)"
	code=$(curl -q -sS --noproxy '*' --max-time 3 -o "$WORK/ready" -w '%{http_code}' "http://${at:-127.0.0.1:$HEALTH_PORT}/readyz" 2>/dev/null) || return 1
	[[ $code != 200 ]] || return 0
	while IFS= read -r line || [[ -n $line ]]; do
		[[ $line == '[-]'* ]] && READY_REASON=${line#'[-] '} && break
	done <"$WORK/ready"
	return 1
}

# wait_ready: SPIRE needs a few seconds to give the first identity.
wait_ready() {
	local begin=$SECONDS told=0
	step "Waiting until $PROGRAM is ready"
	while ! ready; do
		if ((SECONDS - begin >= READY_TIMEOUT)); then
			fail "$PROGRAM is not ready after $READY_TIMEOUT s: $READY_REASON"
		fi
		if ((SECONDS - begin >= told + 5)); then
			told=$((SECONDS - begin))
			say "$told s: $READY_REASON"
		fi
		sleep 0.5
	done
}

# account makes the user of the SPIRE agent and its directory, as the package does.
account() {
	local file
	if ! id -u spire-agent >/dev/null 2>&1; then
		mkdir -p "$WORK/accounts"
		for file in /etc/{passwd,group,shadow,gshadow,subuid,subgid}- /etc/.pwd.lock; do
			[[ ! -e $file ]] || cp -a "$file" "$WORK/accounts/"
		done
		undo remove_account
		mkdir -p "${MADE%/*}"
		{
			[[ -e $HOST_DIR ]] || echo "path $HOST_DIR"
			getent group spire-agent >/dev/null || echo group
			systemd-sysusers "$AGENT_CONF_DIR/sysusers.d/grpc-spire-agent.conf" >&2
			echo "user $(id -u spire-agent)"
		} >"$MADE"
	fi
	if [[ -e $HOST_DIR ]]; then
		undo chown "$(stat -c %u:%g "$HOST_DIR")" "$HOST_DIR"
	else
		undo remove_host_dir
	fi
	systemd-tmpfiles --create "$AGENT_CONF_DIR/tmpfiles.d/grpc-spire-agent.conf"
}

# remove_account: of the tools that did and undo it, the backups too.
remove_account() {
	local file bad=0
	if id -u spire-agent >/dev/null 2>&1; then userdel spire-agent >/dev/null || bad=1; fi
	rm -f "$MADE"
	for file in /etc/{passwd,group,shadow,gshadow,subuid,subgid}- /etc/.pwd.lock; do
		if [[ -e $WORK/accounts/${file##*/} ]]; then
			mv -fT "$WORK/accounts/${file##*/}" "$file" || bad=1
		else
			rm -f "$file"
		fi
	done
	return "$bad"
}

# remove_host_dir: but never a key that the controller may know. Root owns it until the
# next try, for the user goes.
remove_host_dir() {
	if [[ $KEEP_KEY == yes ]]; then
		chown -R root:root "$HOST_DIR"
	else
		rm -rf "$HOST_DIR"
	fi
}

# take_host_back undoes enroll --new-host, which put the old files aside as FILE.TIME.
take_host_back() {
	local file
	[[ $KEEP_KEY == no ]] || return 0
	for file in "$HOST_DIR"/*.[0-9]*T[0-9]*Z; do
		[[ -e $file && " $ASIDE " != *" $file "* ]] || continue
		rm -rf "${file%.*}"
		mv -fT "$file" "${file%.*}"
	done
}

place_files() {
	local file
	step "Placing ${#CHANGED[@]} files"
	# Undone last, once the files are back.
	if [[ $AGENT_CHANGED == yes && $AGENT_ACTIVE == active ]]; then undo systemctl try-restart spire-agent.service; fi
	if [[ $ROLE_CHANGED == yes && $WAS_ACTIVE == active ]]; then undo systemctl try-restart "$UNIT"; fi
	undo systemctl daemon-reload
	if [[ $PIN == yes ]]; then place "$WORK/get/release.pub" "$PINNED" 0644; fi
	for file in "${CHANGED[@]}"; do
		place "$WORK/tree/$file" "/$file" "$(mode_of "$file")"
	done
	if [[ -z $AGENT_PACKAGE ]]; then
		default_conf grpc-spire-agent /etc/grpc-spire-agent/agent.conf
		account
	fi
	if [[ $FORCE == yes && -e $CONF ]]; then back_up_conf; fi
	default_conf "$PROGRAM" "$CONF"
	systemctl daemon-reload
}

# default_conf PACKAGE FILE: what is there stays, it is the operator's.
default_conf() {
	if [[ ! -e $2 ]]; then place "$WORK/tree/usr/share/doc/$1/${2##*/}" "$2" 0644; fi
}

back_up_conf() {
	BACKUP=$CONF.$(date -u +%Y%m%dT%H%M%SZ).bak
	undo rm -f "$BACKUP"
	preserve "$CONF"
	cp -a "$CONF" "$BACKUP"
	place "$WORK/tree/usr/share/doc/$PROGRAM/${CONF##*/}" "$CONF" 0644
}

# enroll spends the token. Whatever the answer was, the key that the controller may
# have bound to the token is kept.
enroll() {
	local code=0 args had_key=no
	step "Enrolling $ROLE/$ID"
	args=(--controller-addr "$CONTROLLER_ADDR" --controller-ca-path "$CONTROLLER_CA_PATH" "--$ROLE-id" "$ID"
		--trust-domain "$TRUST_DOMAIN" --systemd-unit "$UNIT" --no-start --conf "$CONF" --token-file -)
	if [[ $ROLE == connector && -n $CONNECTOR_PRIVATE_IP ]]; then args+=(--connector-private-ip "$CONNECTOR_PRIVATE_IP"); fi
	if [[ $ROLE == tunneler && -n $CONNECTOR_ADDR ]]; then args+=(--connector-addr "$CONNECTOR_ADDR"); fi
	if [[ $FORCE == yes && -e $HOST_DIR/host.crt && $(other_role) == none ]]; then
		ASIDE=$(echo "$HOST_DIR"/*.[0-9]*T[0-9]*Z)
		undo take_host_back
		args+=(--new-host)
		NEW_HOST=yes
	fi
	[[ ! -e $HOST_DIR/host.key || $NEW_HOST == yes ]] || had_key=yes
	preserve "$CONF"
	KEEP_KEY=yes # should this shell be stopped while the answer is on its way
	printf '%s\n' "$TOKEN" | env -i PATH="$PATH" LC_ALL=C "/usr/bin/$PROGRAM" enroll "${args[@]}" || code=$?
	case $code in
	0) ;;
	2 | 3) # refused before or by the controller: nothing is bound to the key
		KEEP_KEY=no
		[[ $had_key == no || -e $HOST_DIR/host.crt ]] ||
			say "$HOST_DIR/host.key is of an earlier try: it goes with that token; for another one, $SCRIPT --uninstall first"
		fail "the host is not enrolled"
		;;
	*)
		fail "the host is not enrolled, or nobody knows whether it is"
		;;
	esac
	unset TOKEN
	KEEP_KEY=no
	settle
}

# other_role: the program of the other role that is on this host, or none.
other_role() {
	if [[ -e /usr/bin/$OTHER || -e /etc/systemd/system/$OTHER.service ]]; then echo "$OTHER"; else echo none; fi
}

start_units() {
	step "Starting $UNIT"
	if [[ ($AGENT_CHANGED == yes || $NEW_HOST == yes) && $AGENT_ACTIVE == active ]]; then systemctl restart spire-agent.service; fi
	systemctl --quiet enable --now spire-agent.service "$UNIT" 2>&1
	if [[ $WAS_ACTIVE == active && ($ROLE_CHANGED == yes || $ENROLL == yes) ]]; then systemctl restart "$UNIT"; fi
}

# begin_work: whatever ends this shell goes through on_exit. The directory is nobody
# else's, and gone at the end.
begin_work() {
	STEP="looking at this host"
	trap on_exit EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 141' PIPE
	trap 'exit 143' TERM
	WORK=$(mktemp -d)
}

# one_at_a_time: two scripts on one host would undo each other's work.
one_at_a_time() {
	exec {LOCK}</etc
	flock -n "$LOCK" || fail "another setup runs on this host: wait until it has ended" 2
}

show_plan() {
	local file
	step "This would be done"
	for file in "${CHANGED[@]}"; do
		if [[ -e /$file ]]; then say "replace /$file"; else say "create  /$file"; fi
	done
	[[ $PIN == no ]] || say "keep    $PINNED"
	[[ $FORCE == no || ! -e $CONF ]] || say "back up $CONF, and write it anew"
	[[ -e $CONF ]] || say "create  $CONF"
	[[ $ENROLL == no ]] || say "enroll  $ROLE/$ID at $CONTROLLER_ADDR, which spends the token"
	if [[ $HEALTHY == no || ${#CHANGED[@]} -gt 0 || $ENROLL == yes ]]; then say "start   spire-agent.service $UNIT"; fi
	say "Nothing was changed."
}

install_role() {
	check_tools
	check_machine
	check_variables
	check_packages
	check_agent
	check_enrollment
	ENROLL=no
	if [[ $ENROLLED == no || $FORCE == yes ]]; then ENROLL=yes; fi
	if [[ $ENROLL == yes && $DRY_RUN == no ]]; then read_token; fi
	stop_at_faults
	one_at_a_time
	PACKAGES=("$PROGRAM")
	if [[ -z $AGENT_PACKAGE ]]; then
		PACKAGES+=(grpc-spire-agent)
	else
		say "The SPIRE agent comes from the package grpc-spire-agent, and stays as it is."
	fi
	fetch
	plan
	HEALTHY=no WAS_ACTIVE=$(unit_property "$UNIT" ActiveState)
	if [[ $ENROLLED == yes ]] && healthy; then HEALTHY=yes; fi
	if [[ $DRY_RUN == yes ]]; then
		show_plan
		return
	fi
	if [[ $HEALTHY == yes && $ENROLL == no && ${#CHANGED[@]} == 0 && $PIN == no ]]; then
		[[ -z $TOKEN ]] || say "The token was not used."
		say "$ROLE/$ID is installed, enrolled and ready ($OFFERED): nothing to do."
		return
	fi
	place_files
	if [[ $ENROLL == yes ]]; then enroll; fi
	# A host that was not well before is not made better by taking this back.
	if [[ $HEALTHY == no ]]; then settle; fi
	HINT="the host is enrolled and keeps its identity. To find out more:
  $PROGRAM doctor
  journalctl -u $UNIT -u spire-agent.service
The same command does what is left to do, without a token."
	start_units
	wait_ready
	settle
	report
}

report() {
	step "$ROLE/$ID is installed, enrolled and ready"
	say "program    /usr/bin/$PROGRAM ($OFFERED)"
	say "conf       $CONF${BACKUP:+ (before: $BACKUP)}"
	say "identity   $HOST_DIR, shared by all roles of this host; SPIRE renews it"
	say "units      $UNIT, spire-agent.service"
	say "logs       journalctl -u $UNIT"
	echo
	say "See how it is:   $PROGRAM status"
	say "Find a fault:    $PROGRAM doctor"
	say "Remove it:       $SCRIPT --uninstall"
}

# --- The other ways ---

# act COMMAND... does it, or says so.
act() {
	if [[ $DRY_RUN == yes ]]; then say "$*"; else "$@"; fi
}

# remove_package PACKAGE: its files, and directories that are empty then.
remove_package() {
	local pattern file
	while read -r pattern; do
		# shellcheck disable=SC2086 # patterns, without spaces
		for file in /$pattern /$pattern$OLD /$pattern$NEW; do
			[[ -e $file || -L $file ]] || continue
			act rm -f "$file"
			if [[ $file == /usr/share/* && $DRY_RUN == no ]]; then rmdir -p --ignore-fail-on-non-empty "$(dirname "$file")"; fi
		done
	done < <(patterns "$1")
}

remove_paths() {
	local path
	for path in "$@"; do
		if [[ -e $path || -L $path ]]; then act rm -rf "$path"; fi
	done
}

uninstall() {
	check_machine
	[[ -z $(packaged "$PROGRAM") ]] || fault "$PROGRAM comes from a package on this host: apt-get purge $PROGRAM (or dnf remove $PROGRAM)"
	stop_at_faults
	one_at_a_time
	local id
	id=$(value "$CONF" "$ID_NAME")
	step "Removing $PROGRAM"
	stop_unit "$UNIT"
	remove_package "$PROGRAM"
	remove_paths "/etc/$PROGRAM" "/var/lib/$PROGRAM" "/var/lib/private/$PROGRAM"
	remove_agent
	act systemctl daemon-reload
	act systemctl reset-failed "$UNIT" spire-agent.service 2>/dev/null || true
	[[ -z $id ]] || say "The controller still knows it. On the controller, end its access:
      grpccontroller ${ROLE}s revoke $id"
	if [[ $DRY_RUN == yes ]]; then say "Nothing was changed."; else say "Done."; fi
}

# stop_unit UNIT, if it is there.
stop_unit() {
	if [[ $(unit_property "$1" LoadState) != not-found ]]; then act systemctl --quiet disable --now "$1"; fi
}

# remove_agent: with the last role goes what the roles share.
remove_agent() {
	if [[ $(other_role) != none ]]; then
		say "The SPIRE agent stays: $OTHER uses it."
		return
	fi
	if [[ -n $(packaged grpc-spire-agent) ]]; then
		say "The SPIRE agent stays: it comes from the package grpc-spire-agent."
		return
	fi
	if [[ ! -e $AGENT_DIR/host-agent && ! -e /etc/grpc-spire-agent && ! -e $HOST_DIR/host.key ]]; then return; fi
	check_agent
	if ((${#FAULTS[@]} > 0)); then
		say "The SPIRE agent of this host is not ours, and stays."
		return
	fi
	stop_unit spire-agent.service
	remove_package grpc-spire-agent
	remove_paths "$AGENT_DIR" /etc/grpc-spire-agent "$HOST_DIR"
	# An operator may have a user of that name, which was there before.
	if [[ -f $MADE ]] && grep -qxF "user $(id -u spire-agent 2>/dev/null)" "$MADE"; then
		# userdel takes along the group of the same name, unless it is not the user's.
		grep -qx group "$MADE" || act usermod -g "$(getent group nogroup nobody | head -n 1 | cut -d: -f1)" spire-agent
		act userdel spire-agent
	fi
	remove_paths "$MADE"
}

print_versions() {
	local version
	version=$(version_of "/usr/bin/$PROGRAM")
	echo "installed   ${version:-nothing}"
	if [[ -z $CONTROLLER_ADDR || -z $CONTROLLER_CA_PATH ]]; then
		echo "controller  not asked: CONTROLLER_ADDR and CONTROLLER_CA_PATH say where it is"
		return
	fi
	check_address CONTROLLER_ADDR "$CONTROLLER_ADDR"
	check_ca
	stop_at_faults
	get VERSION
	read -r OFFERED _ <"$WORK/get/VERSION"
	echo "controller  $OFFERED"
}

constants() {
	PROGRAM=grpc$ROLE UNIT=grpc$ROLE.service CONF=/etc/grpc$ROLE/$ROLE.conf HEALTH_PORT=9465 OTHER=grpctunneler
	SCRIPT=setup.sh ID_NAME=${ROLE^^}_ID
	if [[ $ROLE == tunneler ]]; then SCRIPT=tunneler-setup.sh HEALTH_PORT=9466 OTHER=grpcconnector; fi
	AGENT_DIR=/usr/lib/grpc-spire-agent AGENT_CONF_DIR=/usr/lib HOST_DIR=/var/lib/spire-agent
	# What was made beside files, as the packages note it; who made a user may remove it.
	MADE=/var/lib/misc/grpc-spire-agent.made
	PINNED=/etc/grpc-spire-agent/release.pub OLD=.before-setup NEW=.by-setup
	FORCE=no DRY_RUN=no ACCEPT_KEY=no ACTION=install_role
	STEP='' HINT='' WORK='' BACKUP='' AGENT_PACKAGE='' AGENT_ACTIVE='' AGENT_THERE=no KEEP_KEY=no NEW_HOST=no ASIDE=''
	FAULTS=() UNDO=() FILES=()
	declare -gA PRESERVED=()
}

variables() {
	CONTROLLER_ADDR=${CONTROLLER_ADDR-} CONTROLLER_CA_PATH=${CONTROLLER_CA_PATH-} TRUST_DOMAIN=${TRUST_DOMAIN:-mycorp.internal}
	CONNECTOR_ADDR=${CONNECTOR_ADDR-} CONNECTOR_PRIVATE_IP=${CONNECTOR_PRIVATE_IP-} TOKEN_FILE=${ENROLLMENT_TOKEN_FILE-}
	READY_TIMEOUT=${READY_TIMEOUT:-120}
	if [[ $ROLE == connector ]]; then
		CONNECTOR_ID=${CONNECTOR_ID-} ID=${CONNECTOR_ID-} CONNECTOR_ADDR=''
	else
		TUNNELER_ID=${TUNNELER_ID-} ID=${TUNNELER_ID-} CONNECTOR_PRIVATE_IP=''
	fi
}

main() {
	take_token
	export LC_ALL=C PATH="$PATH:/usr/sbin:/sbin"
	unset TAR_OPTIONS GZIP CDPATH
	umask 022
	constants
	variables
	paint
	while (($# > 0)); do
		case $1 in
		-f) FORCE=yes ;;
		--uninstall) ACTION=uninstall ;;
		--dry-run) DRY_RUN=yes ;;
		--version) ACTION=print_versions ;;
		--accept-release-key) ACCEPT_KEY=yes ;;
		-h | --help)
			usage
			return
			;;
		*) fail "unknown option \"$1\": see --help" 2 ;;
		esac
		shift
	done
	begin_work
	"$ACTION"
	exit 0
}

# With the script itself on standard input there is no token to read from there.
if [[ -z ${BASH_SOURCE[0]-} && -z ${BASH_EXECUTION_STRING-} ]]; then ON_STDIN=yes; else ON_STDIN=no; fi
{ main "$@"; }
