// Package clients holds the end-to-end tests of what people do with a tunneler: clients as
// Debian ships them (curl, ssh, scp, rsync, git, psql, redis-cli, nc) and a websocket of
// Node.js reach servers as Debian ships them, through SOCKS5, local listeners and
// grpctunneler connect; and what becomes of flows when a connector, the controller, the
// network, an SVID or a grant goes away meanwhile.
//
// Controller, SPIRE, connectors and tunneler are the real programs, in a world of each test.
// scripts/require.sh puts the servers into a directory of their own; none is installed, and
// those of this machine are left alone. As root: the servers run as another user, in
// namespaces that end with them.
//
// It has no code but tests.
package clients
