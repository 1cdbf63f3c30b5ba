// Package app wires grpccontroller together: commands, start order, stop order.
// It holds no logic of the domain.
//
// Main types, in reading order: Root (commands); then what serve starts, each part on top
// of the one before: site (configuration), foundation (listeners, database, bootstrap CA),
// identified (SPIRE and the controller's X509-SVID), core (the domain), controller (its
// servers and the admin API); stage (something that runs until it is stopped).
//
// A part embeds the one that it needs, and its constructor returns it complete: a method
// that uses what was not built yet does not compile. serve starts SPIRE first and the
// listeners last, and stops in the other order, so that a goodbye can still be sent when
// the listeners close. Every goroutine is a stage or a member of the one errgroup, and
// both are joined.
package app
