// Package servers starts servers as Debian ships them, for tests of what flows carry: each
// as another user, in mount and process namespaces of its own that end with it. The services
// of this machine are left alone, and none is installed: scripts/require.sh puts what is
// missing into a directory of its own.
//
// It knows nothing of ours. What a server is to do is in the test that starts it.
//
// Main types, in reading order: House, Tool.
//
// A House belongs to one test, and is not safe for concurrent use.
package servers
