package session

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/tunneler/directory"
)

// ErrNoConnector is returned when the directory names nobody.
var ErrNoConnector = errors.New("the directory lists no connector: enroll one, or ask an operator for access")

// read takes the newest directory.
func (m *Manager) read() {
	usable, err := choose(m.cfg.Directory.Current().Connectors, m.cfg.ConnectorID)
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil && (m.fault == nil || m.fault.Error() != err.Error()) {
		m.cfg.Log.Warn("no connector to use", zap.Error(err))
	}
	m.fault = err
	was := m.candidates
	m.candidates, m.ids = make(map[spiffeid.ID]directory.Connector, len(usable)), make(map[string]spiffeid.ID, len(usable))
	candidates := make([]Candidate, 0, len(usable))
	for _, c := range usable {
		m.candidates[c.SPIFFEID], m.ids[c.ID] = c, c.SPIFFEID
		candidates = append(candidates, Candidate{ID: c.ID, Network: c.NetworkID, Dialable: len(c.Addresses) > 0})
	}
	m.mesh.Set(time.Now(), candidates)
	m.drop(was)
}

// choose picks the connectors that a session may be kept with: all, or the one that
// CONNECTOR_ID names. Which of them are used is Mesh's decision. No address limits them: whom
// to trust at one is always the directory's word.
func choose(listed []directory.Connector, id string) ([]directory.Connector, error) {
	if len(listed) == 0 {
		return nil, ErrNoConnector
	}
	if id == "" {
		return listed, nil
	}
	ids := make([]string, 0, len(listed))
	for _, c := range listed {
		if c.ID == id {
			return []directory.Connector{c}, nil
		}
		ids = append(ids, c.ID)
	}
	return nil, fmt.Errorf("the directory lists no connector %q: check CONNECTOR_ID; it lists %s", id, strings.Join(ids, ", "))
}
