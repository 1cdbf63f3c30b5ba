// Package witnesstest is an audit log for tests of its witnesses: it makes
// checkpoints and proofs, honest ones and others.
package witnesstest
