#!/bin/sh
# Runs a test program in a network namespace of its own, so that end-to-end packages
# can run side by side: go test -exec internal/e2e/apart.sh. As root.
exec unshare --net -- sh -c 'ip link set lo up && exec "$@"' sh "$@"
