#!/bin/sh
# Arguments: deb "configure [OLD-VERSION]", rpm the number of installed versions.
set -e
case $1 in
configure | [0-9]*) ;;
*) exit 0 ;;
esac
made=@MADE@
sysusers=/usr/lib/sysusers.d/@PACKAGE@.conf tmpfiles=/usr/lib/tmpfiles.d/@PACKAGE@.conf
if [ -e "$sysusers" ]; then
	user=no group=no
	if getent passwd @USER@ >/dev/null; then user=yes; fi
	if getent group @USER@ >/dev/null; then group=yes; fi
	systemd-sysusers "$sysusers"
	# Only a user that was made here goes with the package: an operator may have one of
	# that name.
	if [ $user = no ] && [ -e "$made" ]; then
		grep '^path ' "$made" >"$made.new" || true
		echo "user $(id -u @USER@)" >>"$made.new"
		if [ $group = no ]; then echo group >>"$made.new"; fi
		mv -f "$made.new" "$made"
	fi
fi
if [ -e "$tmpfiles" ]; then systemd-tmpfiles --create "$tmpfiles"; fi
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
	# A running program whose file was replaced is another program to SPIRE ("... (deleted)")
	# and gets no identity at its next renewal. What does not run stays stopped.
	systemctl try-restart @UNIT@
fi
