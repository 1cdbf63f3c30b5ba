package guardedhttp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"
)

// ErrAimed is in the error of a request that the service must not cause.
var ErrAimed = errors.New("the service names a URL that the controller does not ask")

// Config configures New.
type Config struct {
	// Service is the URL of the configuration. It was checked before.
	Service string
	// Transport carries the requests. A *http.Transport is copied.
	Transport http.RoundTripper
	// Timeout is for a whole request.
	Timeout time.Duration
	// MaxReply is how many bytes of a reply are read.
	MaxReply int64
}

// New returns a client for everything that the service is asked. Other URLs than the
// configured one must have its scheme, and may not lead to addresses of this machine or
// of its link unless they are at its host. No redirect is followed: what is in a request
// is for the URL that was named.
func New(c Config) *http.Client {
	service, err := url.Parse(c.Service)
	if err != nil {
		service = &url.URL{} // nothing has its scheme
	}
	next := c.Transport
	if t, ok := next.(*http.Transport); ok {
		t = t.Clone()
		t.DialContext = (&net.Dialer{Timeout: c.Timeout, ControlContext: checkDial}).DialContext
		next = t
	}
	return &http.Client{
		Timeout: c.Timeout, Transport: guarded{next: next, service: service, most: c.MaxReply},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// guarded caps what a service can make us read, and where it can send us.
type guarded struct {
	next    http.RoundTripper
	service *url.URL
	most    int64
}

// foreign marks requests to another host than that of the configuration.
type foreign struct{}

// RoundTrip implements http.RoundTripper.
func (g guarded) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != g.service.Scheme {
		return nil, fmt.Errorf("%w: %s, not by %s as the configured one", ErrAimed, r.URL.Redacted(), g.service.Scheme)
	}
	if proxy, err := http.ProxyFromEnvironment(r); r.URL.Host != g.service.Host && proxy == nil && err == nil {
		r = r.WithContext(context.WithValue(r.Context(), foreign{}, true))
	}
	resp, err := g.next.RoundTrip(r)
	if err == nil {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(resp.Body, g.most), resp.Body}
	}
	return resp, err
}

// CloseIdleConnections is for that of http.Client.
func (g guarded) CloseIdleConnections() {
	if t, ok := g.next.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

// checkDial refuses addresses of this machine and of its link, unless they are those of
// the configuration. It sees the address that a name has resolved to, so no name is a way
// around it. Private networks are allowed: services at home there have several hosts.
func checkDial(ctx context.Context, _, address string, _ syscall.RawConn) error {
	if aimed, _ := ctx.Value(foreign{}).(bool); !aimed {
		return nil
	}
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	if ip := at.Addr().Unmap(); ip.IsLoopback() || ip.IsUnspecified() || ip.IsLinkLocalUnicast() || ip.IsMulticast() {
		return fmt.Errorf("%w: %s", ErrAimed, address)
	}
	return nil
}
