package session

import (
	"errors"
	"slices"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/flow"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
)

// errSessionID ends a session whose connector names it with something else.
var errSessionID = errors.New("the connector's session_id is not 16 bytes")

// attach lets flows bind to the session on this connection, if its connector takes flows. They
// go where the session went, and then to the other addresses of the connector: behind one
// that several connectors share another one may answer.
func (s *Session) attach(link *mtls.Conn, id []byte) (detach func(), err error) {
	if s.cfg.Flows == nil || len(id) == 0 {
		return func() {}, nil
	}
	named, ok := flow.ParseSessionID(id)
	if !ok {
		return func() {}, errSessionID
	}
	s.mu.Lock()
	addresses, network := []string{link.RemoteAddr().String()}, s.choice.Network
	for _, a := range s.addresses {
		if !slices.Contains(addresses, a) {
			addresses = append(addresses, a)
		}
	}
	s.mu.Unlock()
	detach, err = s.cfg.Flows.Attach(flow.Session{ID: named, Link: link, Network: network, Addresses: addresses, Judge: s.judge})
	if err != nil {
		return func() {}, err
	}
	return detach, nil
}
