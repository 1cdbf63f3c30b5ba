// Package sourcelimit limits how often each address may do something, and how many
// of an address may be inside at once.
//
// It does not decide what is counted or what happens then: its callers do.
//
// Main types, in reading order: Limiter (Allow), Turnstile (Enter), Bucket.
//
// Both are safe for concurrent use and start no goroutine.
//
// Invariants: their memory is bounded whatever comes; an IPv6 /64 is one address;
// addresses that come when a Limiter is full share one allowance, so that many
// addresses are no way around the limit.
package sourcelimit
