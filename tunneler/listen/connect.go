package listen

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/flow"
)

// maxHead is how long a request may be.
const maxHead = 8 << 10

// askConnect reads one request of HTTP. CONNECT is the only one that opens a flow; at a
// unix socket GET /resources is answered too.
func (s *Server) askConnect(f Face, c net.Conn) (asked, error) {
	read := bufio.NewReader(&io.LimitedReader{R: c, N: maxHead})
	req, err := http.ReadRequest(read)
	if err != nil {
		return asked{}, errors.Join(fmt.Errorf("not understood as HTTP: %w", err), replyHTTP(c, http.StatusBadRequest, "", "This is a proxy: it takes CONNECT of HTTP/1.1."))
	}
	// A page in a browser can make it send requests here, never CONNECT, and a browser says
	// for whom it sends.
	if req.Header.Get("Origin") != "" || req.Header.Get("Sec-Fetch-Site") != "" {
		return asked{}, errors.Join(errors.New("a request of a page"), replyHTTP(c, http.StatusForbidden, "http_request_denied", "Pages may not use this proxy."))
	}
	if f.Network == "unix" && req.Method == http.MethodGet && req.URL.Path == "/resources" && s.cfg.Resources != nil {
		return asked{}, errors.Join(errNoFlow, s.writeResources(c))
	}
	if req.Method != http.MethodConnect {
		return asked{}, errors.Join(fmt.Errorf("method %s", req.Method),
			replyHTTP(c, http.StatusMethodNotAllowed, "http_request_denied", "This proxy takes CONNECT only. With curl: --proxytunnel, or an https URL."))
	}
	to, err := targetOf(req.URL.Host)
	if err != nil {
		return asked{}, errors.Join(err, replyHTTP(c, http.StatusBadRequest, "http_request_error", "CONNECT needs host:port."))
	}
	head, err := read.Peek(read.Buffered())
	if err != nil {
		return asked{}, err
	}
	return asked{target: to, local: begun(c, head), answer: func(err error) error {
		if err == nil {
			_, err := io.WriteString(c, "HTTP/1.1 200 Connected\r\n\r\n")
			return err
		}
		status, kind := httpStatus(err)
		return replyHTTP(c, status, kind, sentence(err))
	}}, nil
}

func targetOf(authority string) (flow.Target, error) {
	host, port, err := net.SplitHostPort(authority)
	if err != nil {
		return flow.Target{}, err
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return flow.Target{}, fmt.Errorf("port %q is no number up to 65535", port)
	}
	return flow.NewTarget(host, uint16(n))
}

func (s *Server) writeResources(c net.Conn) error {
	body, err := s.cfg.Resources()
	if err != nil {
		return errors.Join(err, replyHTTP(c, http.StatusInternalServerError, "", "The resources cannot be read."))
	}
	_, err = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", len(body), body)
	return err
}

// replyHTTP ends the connection with a status; kind is an error type of RFC 9209, which
// programs can rely on.
func replyHTTP(w io.Writer, status int, kind, text string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n", status, http.StatusText(status))
	if kind != "" {
		fmt.Fprintf(&b, "Proxy-Status: grpctunneler; error=%s\r\n", kind)
	}
	fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s\n", len(text)+1, text)
	_, err := io.WriteString(w, b.String())
	return err
}

// begun is c with what was read of it too far.
func begun(c net.Conn, head []byte) net.Conn {
	if len(head) == 0 {
		return c
	}
	return &begunConn{Conn: c, head: head}
}

type begunConn struct {
	net.Conn
	head []byte
}

// Read implements net.Conn.
func (b *begunConn) Read(p []byte) (int, error) {
	if len(b.head) == 0 {
		return b.Conn.Read(p)
	}
	n := copy(p, b.head)
	b.head = b.head[n:]
	return n, nil
}

// CloseWrite ends the direction to the program.
func (b *begunConn) CloseWrite() error {
	if c, ok := b.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return b.Close()
}

// SetLinger passes on how the connection closes.
func (b *begunConn) SetLinger(sec int) error {
	if c, ok := b.Conn.(interface{ SetLinger(sec int) error }); ok {
		return c.SetLinger(sec)
	}
	return nil
}
