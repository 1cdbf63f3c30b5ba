package mtls_test

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
)

var errRevoked = errors.New("revoked")

// pair is a connection over loopback as gRPC gets it, from either end.
type pair struct {
	near, far         net.Conn
	nearConn, farConn *mtls.Conn
}

func join(t *testing.T, opened ...mtls.Opened) (*pair, error) {
	t.Helper()
	ca := mtlstest.NewCA(t, td)
	lis, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = lis.Close() }()
	dialed, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", lis.Addr().String())
	require.NoError(t, err)
	accepted, err := lis.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { _, _ = dialed.Close(), accepted.Close() })

	p := &pair{}
	served := make(chan error, 1)
	go func() {
		c := mtls.ServerConfig(ca.Identity(ca.SVID(t, connectorID)), mtls.Kinds(td, identity.KindTunneler))
		far, info, err := mtls.ServerCredentials(c, opened...).ServerHandshake(accepted)
		if err == nil {
			p.far, p.farConn = far, connOf(info)
		}
		served <- err
	}()
	c := mtls.ClientConfig(ca.Identity(ca.SVID(t, tunnelerID)), mtls.Kinds(td, identity.KindConnector))
	near, info, err := mtls.ClientCredentials(c).Clone().ClientHandshake(t.Context(), "peer", dialed)
	require.NoError(t, err)
	p.near, p.nearConn = near, connOf(info)
	return p, <-served
}

func connOf(info credentials.AuthInfo) *mtls.Conn {
	return mtls.ConnOf(peer.NewContext(context.Background(), &peer.Peer{AuthInfo: info}))
}

func TestConnKnowsBothEnds(t *testing.T) {
	t.Parallel()
	p, err := join(t)
	require.NoError(t, err)
	require.Equal(t, connectorID, p.nearConn.Peer().String())
	require.Equal(t, tunnelerID, p.nearConn.Self().String())
	require.Equal(t, tunnelerID, p.farConn.Peer().String())
	require.Equal(t, connectorID, p.farConn.Self().String())
	require.True(t, p.nearConn.Dialed())
	require.False(t, p.farConn.Dialed())
	require.Equal(t, p.nearConn.Exporter(), p.farConn.Exporter())
	require.NotZero(t, p.nearConn.Exporter())
	require.Equal(t, p.nearConn.Shown(), p.farConn.ProvenChain()[0].Raw)
	require.Equal(t, p.nearConn.LocalAddr().String(), p.farConn.RemoteAddr().String())

	other, err := join(t)
	require.NoError(t, err)
	require.NotEqual(t, p.nearConn.Exporter(), other.nearConn.Exporter())
}

func TestConnOfNothing(t *testing.T) {
	t.Parallel()
	require.Nil(t, mtls.ConnOf(t.Context()))
	require.Nil(t, connOf(credentials.TLSInfo{}))
}

func TestConnCloses(t *testing.T) {
	t.Parallel()
	t.Run("at once although the peer reads nothing and a write is stuck", func(t *testing.T) {
		t.Parallel()
		fastest := time.Hour
		for range 3 { // a machine that is busy with other tests does not hold up all of them
			fastest = min(fastest, closeStuck(t))
		}
		require.Less(t, fastest, 2*time.Second, "TLS would wait 5 s to say goodbye")
	})
	t.Run("with the first reason, and tells each hook once", func(t *testing.T) {
		t.Parallel()
		p, err := join(t)
		require.NoError(t, err)
		told := make(chan error, 4)
		p.farConn.OnClose(func(reason error) { told <- reason })
		forget := p.farConn.OnClose(func(error) { told <- errors.New("forgotten") })
		forget()
		p.farConn.Close(errRevoked)
		p.farConn.Close(errors.New("second"))
		_ = p.far.Close()
		<-p.farConn.Closed()
		require.Equal(t, errRevoked, <-told)
		require.Empty(t, told)
		p.farConn.OnClose(func(reason error) { told <- reason })
		require.Equal(t, errRevoked, <-told, "late, at once")
	})
	t.Run("without a reason when gRPC closes it", func(t *testing.T) {
		t.Parallel()
		p, err := join(t)
		require.NoError(t, err)
		require.NoError(t, p.far.Close())
		require.ErrorIs(t, p.farConn.Reason(), mtls.ErrClosed)
	})
	t.Run("for the announced reason when the peer hangs up first", func(t *testing.T) {
		t.Parallel()
		p, err := join(t)
		require.NoError(t, err)
		p.farConn.CloseAfter(time.Hour, errRevoked)
		p.farConn.CloseAfter(0, errors.New("second"))
		require.NoError(t, p.far.Close())
		require.ErrorIs(t, p.farConn.Reason(), errRevoked)
	})
	t.Run("after the time it was given", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			ca := mtlstest.NewCA(t, td)
			_, far := mtlstest.Connect(t, ca.Identity(ca.SVID(t, tunnelerID)), ca.Identity(ca.SVID(t, connectorID)))
			far.Conn.CloseAfter(20*time.Millisecond, errRevoked)
			require.NoError(t, far.Conn.Reason())
			<-time.After(20 * time.Millisecond)
			synctest.Wait()
			require.ErrorIs(t, far.Conn.Reason(), errRevoked)
		})
	})
}

// closeStuck returns how long it takes to close a connection whose peer reads nothing,
// while a write waits.
func closeStuck(t *testing.T) (took time.Duration) {
	t.Helper()
	p, err := join(t)
	require.NoError(t, err)
	stuck := make(chan error, 1)
	filling := make(chan struct{}, 1)
	go func() {
		block := make([]byte, 1<<20)
		for {
			if _, err := p.far.Write(block); err != nil {
				stuck <- err
				return
			}
			select {
			case filling <- struct{}{}:
			default:
			}
		}
	}()
	<-filling
	begin := time.Now()
	p.farConn.Close(errRevoked)
	took = time.Since(begin)
	require.Error(t, <-stuck)
	require.ErrorIs(t, p.farConn.Reason(), errRevoked)
	_, err = io.Copy(io.Discard, p.near)
	require.ErrorIs(t, err, syscall.ECONNRESET, "a peer that reads late learns it too")
	return took
}

func TestConnProofs(t *testing.T) {
	t.Parallel()
	p, err := join(t)
	require.NoError(t, err)
	opened := p.farConn.OpenedWith()
	st, n := p.farConn.Proven()
	require.Equal(t, opened, st)
	require.Zero(t, n)
	var seen []mtls.SVIDStatus
	forget := p.farConn.OnProof(func(st mtls.SVIDStatus) { seen = append(seen, st) })
	next := mtlstest.NewCA(t, td).SVID(t, tunnelerID)
	p.farConn.Proved(next.Certificates)
	forget()
	p.farConn.Proved(next.Certificates)
	st, n = p.farConn.Proven()
	require.Equal(t, 2, n)
	require.Equal(t, mtls.Describe(next.Certificates[0]), st)
	require.Equal(t, []mtls.SVIDStatus{opened, st}, seen)
	require.Equal(t, opened, p.farConn.OpenedWith())
}

func TestConns(t *testing.T) {
	t.Parallel()
	t.Run("refuse more of one peer than they may have, and forget who left", func(t *testing.T) {
		t.Parallel()
		conns := mtls.NewConns(2)
		a, err := join(t, conns.Add)
		require.NoError(t, err)
		_, err = join(t, conns.Add)
		require.NoError(t, err)
		_, err = join(t, conns.Add)
		require.ErrorIs(t, err, mtls.ErrTooMany)
		require.Equal(t, 2, conns.Len())
		require.Len(t, conns.Of(spiffeid.RequireFromString(tunnelerID)), 2)
		_ = a.far.Close()
		require.Equal(t, 1, conns.Len())
		_, err = join(t, conns.Add)
		require.NoError(t, err)
	})
	t.Run("cut those for which there is a reason", func(t *testing.T) {
		t.Parallel()
		conns := mtls.NewConns(8)
		a, err := join(t, conns.Add)
		require.NoError(t, err)
		b, err := join(t, conns.Add)
		require.NoError(t, err)
		require.Equal(t, 1, conns.CloseMatching(0, func(c *mtls.Conn) error {
			if c == a.farConn {
				return errRevoked
			}
			return nil
		}))
		<-a.farConn.Closed()
		require.ErrorIs(t, a.farConn.Reason(), errRevoked)
		require.NoError(t, b.farConn.Reason())
		require.Equal(t, 1, conns.Len())
	})
}

func TestConnsOfSomePeers(t *testing.T) {
	t.Parallel()
	conns := mtls.NewConns(8)
	a, err := join(t, conns.Add)
	require.NoError(t, err)
	all := func(*mtls.Conn) error { return errRevoked }
	require.Zero(t, conns.CloseMatchingOf([]spiffeid.ID{spiffeid.RequireFromString(connectorID)}, 0, all))
	require.NoError(t, a.farConn.Reason())
	require.Equal(t, 1, conns.CloseMatchingOf([]spiffeid.ID{spiffeid.RequireFromString(connectorID), spiffeid.RequireFromString(tunnelerID)}, 0, all))
	<-a.farConn.Closed()
}

// TestNewcomersAreJudgedTwice: at once, and those for whom there was a reason once more
// before they are cut: they may have been enrolled meanwhile.
func TestNewcomersAreJudgedTwice(t *testing.T) {
	t.Parallel()
	for name, reasons := range map[string][]error{
		"there is no reason":          {nil},
		"there is a reason":           {errRevoked, errRevoked},
		"there is a reason no longer": {errRevoked, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			judged := make(chan error, 2)
			p, err := join(t, mtls.Newcomers(time.Millisecond, func(*mtls.Conn) error {
				reason := reasons[0]
				reasons = reasons[1:]
				judged <- reason
				return reason
			}))
			require.NoError(t, err, "it is not refused at once, so that it can be told why")
			for range cap(judged) {
				if <-judged == nil {
					require.NoError(t, p.farConn.Reason())
					return
				}
			}
			<-p.farConn.Closed()
			require.ErrorIs(t, p.farConn.Reason(), errRevoked)
		})
	}
}
