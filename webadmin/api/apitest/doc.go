// Package apitest is an admin API over a domain in memory, for tests of the API,
// of its client and of the commands.
//
// It does not test anything itself and is never part of a program.
//
// Main types, in reading order: Env (Start), Tokens, Requests, Fleet, Auth, Replays.
//
// The fakes are safe for concurrent use; Start ends what it began when the test
// ends.
package apitest
