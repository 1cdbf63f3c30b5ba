// Package acme runs a real controller whose dashboard gets its certificate by ACME from
// Pebble, the test server of Let's Encrypt: the first certificate, a restart, a renewal,
// and everything that can keep it from one.
//
// Between the two is a front, which counts the orders and plays a server that is down,
// slow, or refuses. Names resolve by pebble-challtestsrv, the DNS server of Pebble.
//
// It has tests only. It does not test the waits between attempts, which are hours:
// webadmin/certs does, with a clock that runs fast.
package acme
