// Package tunnelbench measures what a flow costs, beside what a relay without TLS and the
// programs that people use instead cost in the same run: ssh -L, stunnel, haproxy and nginx
// as Debian ships them. All are two processes on one machine, in a network namespace of
// their own with reno for congestion control. Ours is the whole system, with grants and
// records on.
//
// Beside that it measures one flow of ours among idle and hostile ones, and alone.
//
// It has tests only; `make bench-tunnel` and `make bench-hostile` run them at full length and judge them by the
// limits of docs/benchmarks.md. A short run in `make test` shows that it still works, and
// judges nothing.
package tunnelbench
