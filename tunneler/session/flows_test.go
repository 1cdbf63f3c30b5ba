package session_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/flow"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
	"github.com/sathiyaseelank-dot/grpccontroller/tunneler/session"
)

// attachments are session.Flows that note who comes and goes.
type attachments struct {
	came    chan flow.Session
	left    chan flow.SessionID
	dropped chan string
}

func newAttachments() *attachments {
	return &attachments{came: make(chan flow.Session, 16), left: make(chan flow.SessionID, 16), dropped: make(chan string, 16)}
}

// Attach implements session.Flows.
func (a *attachments) Attach(s flow.Session) (func(), error) {
	a.came <- s
	return func() { a.left <- s.ID }, nil
}

// Drop implements session.Flows.
func (a *attachments) Drop(connector spiffeid.ID) { a.dropped <- connector.Path() }

// naming answers as a connector that names its sessions.
func naming(id []byte) func(*fakeConnector) {
	return func(f *fakeConnector) {
		f.answer = func(n uint64) []*zerotrustv1.SessionResponse {
			m := ack(n, n)
			if n == 1 {
				m.SessionId = id
			}
			return []*zerotrustv1.SessionResponse{m}
		}
	}
}

func received[T any](t *testing.T, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(soon):
		require.FailNow(t, "nothing came")
	}
	return v
}

func TestASessionThatIsNamedCarriesFlowsUntilItEnds(t *testing.T) {
	t.Parallel()
	ca := mtlstest.NewCA(t, td)
	id := flow.NewSessionID()
	c := startConnector(t, ca, connectorSVID(t, ca, "gw"), false, naming(id[:]))
	flows := newAttachments()
	w := start(t, ca, func(cfg *session.Config) { cfg.Flows = flows })
	page := at("gw", c.addr, "192.0.2.1:9443")
	page.NetworkID = "dc"
	w.book.turn(page)
	first := received(t, c.instances)
	require.Len(t, first, 16)
	s := received(t, flows.came)
	require.Equal(t, id, s.ID)
	require.Equal(t, "dc", s.Network)
	require.Equal(t, []string{c.addr, "192.0.2.1:9443"}, s.Addresses, "where the session went, and then the others, each once")
	require.Equal(t, "spiffe://mycorp.internal/connector/gw", s.Link.Peer().String())
	require.NoError(t, s.Judge(s.Link))
	require.Empty(t, flows.left)

	c.hang <- errors.New("the session ends")
	require.Equal(t, id, received(t, flows.left))
	require.Equal(t, first, received(t, c.instances), "the same program")
	require.Equal(t, id, received(t, flows.came).ID)
	require.Empty(t, flows.dropped, "they wait for its next session")
	w.book.turn()
	require.Equal(t, id, received(t, flows.left))
	require.Equal(t, "/connector/gw", received(t, flows.dropped))
}

func TestFlowsEndAtAConnectorThatIsEnrolledAgain(t *testing.T) {
	t.Parallel()
	ca := mtlstest.NewCA(t, td)
	id := flow.NewSessionID()
	c := startConnector(t, ca, connectorSVID(t, ca, "gw"), false, naming(id[:]))
	flows := newAttachments()
	w := start(t, ca, func(cfg *session.Config) { cfg.Flows = flows })
	page := at("gw", c.addr)
	w.book.turn(page)
	received(t, flows.came)
	w.book.turn(page)
	page.Addresses = append(page.Addresses, "192.0.2.1:9443")
	w.book.turn(page)
	page.SVIDNotBefore = time.Now().Add(time.Hour)
	w.book.turn(page)
	require.Equal(t, "/connector/gw", received(t, flows.dropped))
	require.Equal(t, id, received(t, flows.left))
	require.Empty(t, flows.dropped, "once, and not for a new address")
}

func TestASessionWithoutANameCarriesNoFlows(t *testing.T) {
	t.Parallel()
	ca := mtlstest.NewCA(t, td)
	c := startConnector(t, ca, connectorSVID(t, ca, "gw"), false)
	flows := newAttachments()
	w := start(t, ca, func(cfg *session.Config) { cfg.Flows = flows })
	w.book.turn(at("gw", c.addr))
	w.ready(t)
	require.Empty(t, flows.came)
}

func TestATunnelerWithoutFlowsNamesNoInstance(t *testing.T) {
	t.Parallel()
	ca := mtlstest.NewCA(t, td)
	c := startConnector(t, ca, connectorSVID(t, ca, "gw"), false)
	start(t, ca).book.turn(at("gw", c.addr))
	require.Empty(t, received(t, c.instances))
}

func TestASessionWhoseNameIsNoneIsLeft(t *testing.T) {
	t.Parallel()
	ca := mtlstest.NewCA(t, td)
	c := startConnector(t, ca, connectorSVID(t, ca, "gw"), false, naming(bytes.Repeat([]byte{1}, 15)))
	flows := newAttachments()
	w := start(t, ca, func(cfg *session.Config) { cfg.Flows = flows })
	w.book.turn(at("gw", c.addr))
	c.end(t)
	require.Eventually(t, func() bool {
		err := w.manager.Ready(t.Context())
		return err != nil && bytes.Contains([]byte(err.Error()), []byte("session_id is not 16 bytes"))
	}, soon, time.Millisecond)
	require.Empty(t, flows.came)
}
