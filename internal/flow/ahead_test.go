package flow

import (
	"io"
	"net"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestLookingAhead: the end, or a reset, that is there already comes with the last bytes.
func TestLookingAhead(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		then  func(*net.TCPConn) error
		ahead bool
		want  error
	}{
		"nothing":           {func(*net.TCPConn) error { return nil }, true, nil},
		"the end":           {(*net.TCPConn).CloseWrite, true, io.EOF},
		"the end, unlooked": {(*net.TCPConn).CloseWrite, false, nil},
		"a reset":           {func(c *net.TCPConn) error { _ = c.SetLinger(0); return c.Close() }, true, syscall.ECONNRESET},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
			require.NoError(t, err)
			defer func() { _ = l.Close() }()
			dialed, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", l.Addr().String())
			require.NoError(t, err)
			defer func() { _ = dialed.Close() }()
			accepted, err := l.Accept()
			require.NoError(t, err)
			defer func() { _ = accepted.Close() }()
			_, err = io.WriteString(dialed, "last")
			require.NoError(t, err)
			require.NoError(t, c.then(dialed.(*net.TCPConn)))
			raw, err := accepted.(*net.TCPConn).SyscallConn()
			require.NoError(t, err)
			b, n, err := (&buffers{}).lazyRead(raw, nil, HeaderSize, MaxPayload, c.ahead)
			require.Equal(t, "last", string(b.b[HeaderSize:HeaderSize+n]))
			require.ErrorIs(t, err, c.want)
		})
	}
}
