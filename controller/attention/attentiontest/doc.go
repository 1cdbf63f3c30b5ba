// Package attentiontest has a Store of dismissals in memory.
//
// It does not decide what needs attention (attention does). Store is safe for concurrent
// use.
package attentiontest
