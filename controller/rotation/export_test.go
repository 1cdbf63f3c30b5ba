package rotation

import "context"

// Look is one turn of Run.
func (m *Manager) Look(ctx context.Context) error {
	_, err := m.advance(ctx)
	return err
}

// Forget makes the next turn look at everybody.
func (m *Manager) Forget() { m.held = nil }

// CatchUp has the change log read.
func (m *Manager) CatchUp(ctx context.Context) error { return m.follower.CatchUp(ctx) }

// WaitsIn is the id of the rotation whose gate was found closed last.
func (m *Manager) WaitsIn() string {
	if m.held == nil {
		return ""
	}
	return m.held.of.id
}
