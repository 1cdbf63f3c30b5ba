package listen

import (
	"bytes"
	"net"
	"testing"
	"time"
)

// script is a connection that says what it is given and then ends.
type script struct {
	net.Conn
	in  *bytes.Reader
	out bytes.Buffer
}

func (s *script) Read(p []byte) (int, error)  { return s.in.Read(p) }
func (s *script) Write(p []byte) (int, error) { return s.out.Write(p) }
func (s *script) Close() error                { return nil }
func (s *script) SetDeadline(time.Time) error { return nil }

// FuzzSOCKS: whatever is sent, a target is one that may be asked for, and what follows the
// request is not read.
func FuzzSOCKS(f *testing.F) {
	f.Add([]byte("\x05\x01\x00\x05\x01\x00\x03\x04echo\x00\x07early"))
	f.Add([]byte("\x05\x02\x00\x02\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x07"))
	f.Add([]byte("\x05\x01\x00\x05\x01\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x07"))
	f.Add([]byte("\x04\x01\x00\x50\x7f\x00\x00\x01\x00"))
	f.Fuzz(func(t *testing.T, in []byte) {
		c := &script{in: bytes.NewReader(in)}
		a, err := askSOCKS(c)
		if c.out.Len() > 2+10 {
			t.Fatalf("answered %x", c.out.Bytes())
		}
		if err != nil {
			return
		}
		if again, err := targetOf(a.target.String()); err != nil || again != a.target {
			t.Fatalf("target %v: %v", a.target, err)
		}
		if a.local != net.Conn(c) {
			t.Fatal("read too far")
		}
	})
}

// FuzzConnect: the same of HTTP.
func FuzzConnect(f *testing.F) {
	f.Add([]byte("CONNECT echo:7 HTTP/1.1\r\nHost: echo:7\r\n\r\nearly"))
	f.Add([]byte("CONNECT [::1]:7 HTTP/1.0\r\n\r\n"))
	f.Add([]byte("GET /resources HTTP/1.1\r\nHost: x\r\n\r\n"))
	f.Add([]byte("POST / HTTP/1.1\r\nOrigin: https://evil.example\r\n\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		c := &script{in: bytes.NewReader(in)}
		s := &Server{cfg: Config{Resources: func() ([]byte, error) { return []byte("{}"), nil }}}
		a, err := s.askConnect(Face{Protocol: Connect, Network: "unix"}, c)
		if err != nil {
			return
		}
		if c.out.Len() > 0 {
			t.Fatalf("answered %q before the target did", c.out.Bytes())
		}
		if again, err := targetOf(a.target.String()); err != nil || again != a.target {
			t.Fatalf("target %v: %v", a.target, err)
		}
		if n := c.in.Len(); n+maxHead < len(in) && n == 0 {
			t.Fatal("read without a limit")
		}
	})
}
