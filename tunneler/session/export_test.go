package session

import "context"

// Choose is which connectors may be used.
var Choose = choose

// Handshake is the Measure of a real tunneler.
var Handshake = handshake

// RunDoor runs what dials ConnectorAddr, from where it found that the connector there
// has its session on another connection, which has ended since.
func RunDoor(ctx context.Context, m *Manager) error {
	m.door.wanted = true
	m.door.rest(&Session{})
	return m.door.run(ctx)
}
