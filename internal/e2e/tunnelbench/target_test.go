package tunnelbench_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world"
)

// roleEnv makes this program a relay or the target: "relay LISTEN TO", "target LISTEN" or
// "hostile CONFIG".
const roleEnv = "TUNNELBENCH_ROLE"

func TestMain(m *testing.M) {
	role := strings.Fields(os.Getenv(roleEnv))
	if len(role) == 0 {
		os.Exit(m.Run())
	}
	var err error
	switch role[0] {
	case "relay":
		err = accept(role[1], func(c *net.TCPConn) { relay(c, role[2]) })
	case "target":
		err = accept(role[1], answer)
	case "hostile":
		err = playVillain(role[1])
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func accept(at string, serve func(*net.TCPConn)) error {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", at)
	if err != nil {
		return err
	}
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go func() { // ends with the process
			serve(c.(*net.TCPConn))
			_ = c.Close()
		}()
	}
}

// relay splices both ways: io.Copy between two TCP connections does.
func relay(c *net.TCPConn, to string) {
	far, err := net.Dial("tcp", to) //nolint:noctx // ends with the process
	if err != nil {
		return
	}
	defer func() { _ = far.Close() }()
	up := make(chan struct{})
	go func() { // joined by up
		defer close(up)
		_, _ = io.Copy(far, c)
		_ = far.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(c, far)
	_ = c.CloseWrite()
	<-up
}

// What a client's first byte asks of the target.
const (
	echoes   = 'E' // says what it hears
	takes    = 'T' // counts what it hears, of which 8 bytes tell the length, and says one byte
	provides = 'P' // says as many bytes as the 8 bytes that follow tell
	replies  = 'R' // says one byte, and closes
)

// answer is the target.
func answer(c *net.TCPConn) {
	var head [8]byte
	if _, err := io.ReadFull(c, head[:1]); err != nil {
		return
	}
	what := head[0]
	switch what {
	case echoes:
		_, _ = io.Copy(c, struct{ io.Reader }{c}) // as most servers: by reading
		return
	case replies:
		_, _ = c.Write(head[:1])
		return
	}
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return
	}
	n := int64(binary.BigEndian.Uint64(head[:]))
	b := make([]byte, 256<<10)
	if what == provides {
		for n > 0 {
			m, err := c.Write(b[:min(n, int64(len(b)))])
			if err != nil {
				return
			}
			n -= int64(m)
		}
		return
	}
	for n > 0 {
		m, err := c.Read(b)
		if err != nil {
			return
		}
		n -= int64(m)
	}
	_, _ = c.Write([]byte{1})
}

// transfer carries n bytes to the target or from it.
func transfer(at string, up bool, n int64) error {
	c, err := (&net.Dialer{Timeout: time.Minute}).DialContext(context.Background(), "tcp", at)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(5 * time.Minute))
	what := byte(provides)
	if up {
		what = takes
	}
	b := make([]byte, 256<<10)
	if _, err := c.Write(binary.BigEndian.AppendUint64([]byte{what}, uint64(n))); err != nil {
		return err
	}
	for left := n; left > 0; {
		var m int
		if up {
			m, err = c.Write(b[:min(left, int64(len(b)))])
		} else {
			m, err = c.Read(b)
		}
		if left -= int64(m); err != nil {
			return fmt.Errorf("%d bytes were left: %w", left, err)
		}
	}
	if up {
		_, err = io.ReadFull(c, b[:1])
	}
	return err
}

// request opens a flow, asks once, reads the reply, and closes. The target closes too: before
// it, if it was asked to reply, and after it, if to echo.
func request(at string, what byte) error {
	c, err := (&net.Dialer{Timeout: time.Minute}).DialContext(context.Background(), "tcp", at)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	ask := []byte{what}
	if what == echoes {
		ask = []byte{what, 'x'}
	}
	if _, err := c.Write(ask); err != nil {
		return err
	}
	_, err = io.ReadFull(c, ask[:1])
	return err
}

// ping opens a flow and returns how long each answer took.
func ping(at string, count int) ([]time.Duration, error) {
	c, err := (&net.Dialer{Timeout: time.Minute}).DialContext(context.Background(), "tcp", at)
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	if _, err := c.Write([]byte{echoes}); err != nil {
		return nil, err
	}
	out := make([]time.Duration, 0, count)
	b := make([]byte, 64)
	for range count {
		began := time.Now()
		if _, err = c.Write(b); err == nil {
			_, err = io.ReadFull(c, b)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, time.Since(began))
	}
	return out, nil
}

func eventually(t *testing.T, what string, check func() error) {
	t.Helper()
	require.NoError(t, world.Eventually(t.Context(), time.Minute, what, func(context.Context) error { return check() }))
}
