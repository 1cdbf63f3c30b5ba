// Package footprint measures what a connector and a tunneler cost while nothing
// happens: memory, CPU, wake-ups, descriptors and the size of the program, and
// beside them, in the same run, what others cost.
//
// Controller, SPIRE, connector and tunneler are the real programs. It has tests
// only; `make bench-footprint` runs them at full length. The limits are those that
// docs/footprint.md promises.
package footprint
