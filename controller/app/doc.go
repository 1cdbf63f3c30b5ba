// Package app wires grpccontroller together: commands, start order, stop order.
// It holds no logic of the domain.
//
// Main types, in reading order: Root (commands), controller (what serve runs),
// stage (something that runs until it is stopped).
//
// serve starts SPIRE first and the listeners last, and stops in the other order,
// so that a goodbye can still be sent when the listeners close. Every goroutine
// is a stage or a member of the one errgroup, and both are joined.
package app
