// Package sourcelimit limits how often each address may do something.
//
// It does not decide what is counted or what happens then: its callers do.
//
// Main types, in reading order: Limiter (Allow), Bucket.
//
// Limiter is safe for concurrent use and starts no goroutine.
//
// Invariants: its memory is bounded whatever comes; an IPv6 /64 is one address;
// addresses that come when it is full share one allowance, so that many addresses
// are no way around the limit.
package sourcelimit
