#!/bin/sh
# Arguments: deb "remove", "purge" or "upgrade NEW-VERSION", rpm the number of versions
# that stay. An rpm has no purge: identity and configuration stay until they are deleted.
set -e
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
	case $1 in
	remove | purge | 0) systemctl reset-failed @UNITS@ 2>/dev/null || true ;;
	esac
fi
made=@MADE@
if [ "$1" = purge ] && [ -e "$made" ]; then
	# shellcheck disable=SC2043 # the build of the package fills in a list
	for path in @STATE@; do
		if grep -qxF "path $path" "$made"; then
			rm -rf "$path"
		elif [ -e "$path" ]; then
			echo "$path was there before @PACKAGE@ and stays" >&2
		fi
	done
	if grep -qxF "user $(id -u @USER@ 2>/dev/null)" "$made" && command -v userdel >/dev/null; then
		# userdel takes along the group of the same name, unless it is not the user's.
		grep -qx group "$made" || usermod -g "$(getent group nogroup nobody | head -n 1 | cut -d: -f1)" @USER@
		userdel @USER@
	fi
	rm -f "$made"
fi
