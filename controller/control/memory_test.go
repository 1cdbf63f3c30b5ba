package control_test

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"google.golang.org/grpc/test/bufconn"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/bootstrapca"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/control"
)

// memory is a listener without a network, for tests in fake time: the kernel's
// timers know no other time than the real one.
type memory struct{ *bufconn.Listener }

// near is a connection of it, whose ends have addresses as on a network.
type near struct{ net.Conn }

func loopback(port int) net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port} }

func (near) LocalAddr() net.Addr  { return loopback(8443) }
func (near) RemoteAddr() net.Addr { return loopback(50000) }

func (memory) Addr() net.Addr { return loopback(8443) }

func (m memory) Accept() (net.Conn, error) {
	c, err := m.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return near{c}, nil
}

// inMemory runs a test in fake time on the downloads of an enrollment listener in
// memory. All times are those of the product.
func inMemory(t *testing.T, wrap func(net.Listener) net.Listener, test func(*testing.T, *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		m := memory{bufconn.Listen(64 << 10)}
		w := &world{stopped: make(chan error, 1), memory: m.Listener}
		var err error
		w.ca, err = bootstrapca.Open(t.TempDir(), td, time.Now)
		require.NoError(t, err)
		w.enrollment = control.NewEnrollmentServer(wrap(m), w.ca.ServerConfig(), &control.Enrollment{Install: w.downloads(t), Log: zap.NewNop()}, zap.NewNop())
		ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
		w.shutDown = cancel
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			w.stopped <- w.enrollment.Run(ctx)
		}()
		t.Cleanup(func() {
			cancel()
			<-ended
		})
		test(t, w)
	})
}

func plainly(l net.Listener) net.Listener { return l }
