#!/bin/sh
# Arguments: deb "configure [OLD-VERSION]", rpm the number of installed versions.
set -e
case $1 in
configure | [0-9]*) ;;
*) exit 0 ;;
esac
sysusers=/usr/lib/sysusers.d/@PACKAGE@.conf tmpfiles=/usr/lib/tmpfiles.d/@PACKAGE@.conf
if [ -e "$sysusers" ]; then systemd-sysusers "$sysusers"; fi
if [ -e "$tmpfiles" ]; then systemd-tmpfiles --create "$tmpfiles"; fi
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
	# A running program whose file was replaced is another program to SPIRE ("... (deleted)")
	# and gets no identity at its next renewal. What does not run stays stopped.
	systemctl try-restart @UNIT@
fi
