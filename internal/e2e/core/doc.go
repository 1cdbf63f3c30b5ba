// Package core measures what the fleet core costs as the fleet grows: a real controller
// with up to 50,000 members in its store and 10,000 control streams of two other
// processes, beside a bare gRPC server that sends the same bytes to as many streams.
//
// The streams speak the protocol and keep nothing: a connector that keeps the policy is
// measured by connector/relay's own benchmarks.
//
// It has tests only, in reading order: core_test.go (what is measured, and the limits),
// fleet_test.go (the controller and its members), streams_test.go (the process that
// opens streams), broadcast_test.go (the bare gRPC server), player_test.go (how the
// processes are started and what they say).
package core
