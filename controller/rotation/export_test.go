package rotation

import "context"

// Look is one turn of Run.
func (m *Manager) Look(ctx context.Context) error {
	_, err := m.advance(ctx)
	return err
}

// Forget makes the next turn look at everybody.
func (m *Manager) Forget() { m.held = nil }
