package reproof_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/reproof"
)

// lost is a connection that has ended, at the server's end.
func lost(t *testing.T) (ca *mtlstest.CA, own *mtlstest.Identity, of *mtls.Conn) {
	t.Helper()
	ca = mtlstest.NewCA(t, td)
	own = ca.Identity(ca.SVID(t, connectorID))
	_, far := mtlstest.Connect(t, ca.Identity(ca.SVID(t, tunnelerID)), own)
	far.Conn.Close(nil)
	return ca, own, far.Conn
}

func TestWhatWasProvedLapses(t *testing.T) {
	t.Parallel()
	bubble(t, "30 s after its expiry, also after the connection has ended", func(t *testing.T) {
		_, own, c := lost(t)
		over := make(chan error, 2)
		reproof.Lapse(c, own, func(err error) { over <- err })
		expiry := c.ProvenChain()[0].NotAfter
		elapse(time.Until(expiry) + reproof.Grace - time.Second)
		synctest.Wait()
		require.Empty(t, over)
		elapse(2 * time.Second)
		synctest.Wait()
		require.ErrorIs(t, <-over, reproof.ErrNotReproved)
		elapse(time.Hour)
		synctest.Wait()
		require.Empty(t, over, "once")
	})
	bubble(t, "when its authority is gone", func(t *testing.T) {
		_, own, c := lost(t)
		over := make(chan error, 2)
		reproof.Lapse(c, own, func(err error) { over <- err })
		elapse(time.Minute)
		synctest.Wait()
		require.Empty(t, over)
		own.Trust(x509bundle.FromX509Authorities(td, mtlstest.NewCA(t, td).Bundle().X509Authorities()))
		elapse(reproof.Grace + time.Minute)
		synctest.Wait()
		require.ErrorIs(t, <-over, reproof.ErrAuthorityGone)
	})
	bubble(t, "not after stop", func(t *testing.T) {
		_, own, c := lost(t)
		stop := reproof.Lapse(c, own, func(err error) { t.Errorf("over: %v", err) })
		stop()
		stop()
		elapse(3 * time.Hour)
		synctest.Wait()
	})
}
