#!/bin/sh
# Arguments: deb "install [OLD-VERSION]" or "upgrade OLD-VERSION", rpm the number of
# versions that will be there.
set -e
made=@MADE@
# What is not there yet is made by this package or its programs, and purge removes
# that and nothing else. What an upgrade finds without a record is the operator's.
if [ ! -e "$made" ]; then
	# shellcheck disable=SC2050 # the build of the package fills in the name
	if [ @PACKAGE@ = grpc-spire-agent ]; then
		# tmpfiles.d gives the directory to our user: not one with another agent's data.
		for file in @AGENT@/*; do
			case ${file##*/} in
			host.* | bundle.pem* | controller-ca.crt* | agent.conf* | data | data.* | join-token* | '*') ;;
			*)
				echo "@AGENT@ holds ${file##*/}, which is another SPIRE agent's: move it elsewhere first" >&2
				exit 1
				;;
			esac
		done
	fi
	mkdir -p "${made%/*}"
	# shellcheck disable=SC2043 # the build of the package fills in a list
	for path in @STATE@; do
		if [ ! -e "$path" ] && [ ! -L "$path" ]; then echo "path $path"; fi
	done >"$made"
fi
