package relay_test

import (
	"crypto/tls"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/connector/relay"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
)

// silent connects and asks for nothing. The channel is closed when the connection ends.
func (w *world) silent(t *testing.T, id string) <-chan struct{} {
	t.Helper()
	config := mtls.ClientConfig(w.ca.Identity(w.ca.SVID(t, id)), mtls.Kinds(td, identity.KindConnector))
	config.NextProtos = []string{"h2"}
	conn, err := (&tls.Dialer{Config: config}).DialContext(t.Context(), "tcp", w.addr)
	require.NoError(t, err)
	end := make(chan struct{})
	go func() {
		defer close(end)
		for buf := make([]byte, 1024); ; {
			if _, err := conn.Read(buf); err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() { _ = conn.Close() })
	return end
}

// TestAConnectionThatIsNotAdmittedIsCutAlsoIfItAsksForNothing: its tunneler may have been
// taken away while the handshake was under way, and no later change is about it.
func TestAConnectionThatIsNotAdmittedIsCutAlsoIfItAsksForNothing(t *testing.T) {
	t.Parallel()
	ca := mtlstest.NewCA(t, td)
	c := startController(t, ca, anyAddress, controllerID)
	w := startConnector(t, ca, c.addr, func(c *relay.Config) { c.Timing.FirstWords = 50 * time.Millisecond })
	s := c.next(t)
	s.hello(t)
	s.policy(t, 1, laptopID)
	s.applied(t, 1)
	good, bad := w.silent(t, laptopID), w.silent(t, phoneID)
	select {
	case <-bad:
	case <-time.After(soon):
		require.Fail(t, "connected and not named")
	}
	select {
	case <-good:
		require.Fail(t, "this one is named")
	default:
	}
}
