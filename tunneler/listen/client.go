package listen

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/flow"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/visible"
)

// Why a program got nothing from the tunneler of this host.
var (
	// ErrNotRunning: nothing listens at the socket.
	ErrNotRunning = errors.New("no tunneler listens there")
	// ErrUser: the tunneler closed the connection without an answer.
	ErrUser = errors.New("the tunneler does not serve this user")
)

// maxAnswer bounds what is read of an answer that is not a flow.
const maxAnswer = 4 << 20

// Dial asks the tunneler that listens at a socket for a flow.
func Dial(ctx context.Context, socket string, to flow.Target) (net.Conn, error) {
	c, resp, read, err := ask(ctx, socket, fmt.Sprintf("CONNECT %s HTTP/1.1\r\nHost: %[1]s\r\n\r\n", to), http.MethodConnect) //nolint:bodyclose // the body is the connection
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		defer func() { _ = c.Close() }()
		return nil, refusal(resp)
	}
	head, err := read.Peek(read.Buffered())
	if err != nil {
		_ = c.Close()
		return nil, err
	}
	_ = c.SetDeadline(time.Time{})
	return begun(c, head), nil
}

// Resources asks for what GET /resources answers.
func Resources(ctx context.Context, socket string) ([]byte, error) {
	c, resp, _, err := ask(ctx, socket, "GET /resources HTTP/1.1\r\nHost: tunneler\r\n\r\n", http.MethodGet) //nolint:bodyclose // it ends with the connection
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, refusal(resp)
	}
	return io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
}

func ask(ctx context.Context, socket, request, method string) (c net.Conn, resp *http.Response, read *bufio.Reader, err error) {
	c, err = (&net.Dialer{}).DialContext(ctx, "unix", socket)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return nil, nil, nil, fmt.Errorf("%s: %w", socket, ErrNotRunning)
	case err != nil:
		return nil, nil, nil, err
	}
	opened := c
	defer func() {
		if err != nil {
			_ = opened.Close()
		}
	}()
	defer context.AfterFunc(ctx, func() { _ = opened.SetDeadline(time.Unix(1, 0)) })()
	_ = c.SetDeadline(time.Now().Add(opening + DefaultGreeting)) // the tunneler gives up before
	if _, err = io.WriteString(c, request); err != nil {
		return nil, nil, nil, closed(err)
	}
	read = bufio.NewReader(c)
	resp, err = http.ReadResponse(read, &http.Request{Method: method})
	if err != nil {
		return nil, nil, nil, closed(err)
	}
	return c, resp, read, nil
}

// closed is the error of a connection that ended before its answer.
func closed(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) {
		return ErrUser
	}
	return err
}

// refusal is the answer as an error.
func refusal(resp *http.Response) error {
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	if err != nil {
		return err
	}
	return errors.New(strings.TrimPrefix(visible.Only(strings.TrimSpace(string(body))), "grpctunneler: "))
}
