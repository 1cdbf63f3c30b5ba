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
if [ "$1" = purge ]; then
	rm -rf @STATE@
	if getent passwd @USER@ >/dev/null 2>&1 && command -v userdel >/dev/null; then userdel @USER@; fi
fi
