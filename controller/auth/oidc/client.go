package oidc

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
)

// newClient returns the client for everything that the provider is asked. The
// provider's configuration names further URLs (keys, tokens, UserInfo), and whoever
// can change it must not be able to aim the controller at itself or at the metadata
// service of its cloud: a server-side request forgery. No redirect is followed; the
// secret and the code in a request are for the URL that was named.
func newClient(c Config) *http.Client {
	issuer, err := url.Parse(c.Issuer)
	if err != nil {
		issuer = &url.URL{} // nothing has its scheme; the configuration was checked before
	}
	next := c.Transport
	if t, ok := next.(*http.Transport); ok {
		t = t.Clone()
		t.DialContext = (&net.Dialer{Timeout: requestTimeout, ControlContext: checkDial}).DialContext
		next = t
	}
	return &http.Client{
		Timeout: requestTimeout, Transport: guarded{next: next, issuer: issuer},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// guarded caps what a provider can make us read, and where it can send us.
type guarded struct {
	next   http.RoundTripper
	issuer *url.URL
}

var errAimed = errors.New("the identity provider names a URL that the controller does not ask")

// foreign marks requests to another host than the issuer's.
type foreign struct{}

// RoundTrip implements http.RoundTripper.
func (g guarded) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != g.issuer.Scheme {
		return nil, fmt.Errorf("%w: %s, not by %s as the issuer", errAimed, r.URL.Redacted(), g.issuer.Scheme)
	}
	if proxy, err := http.ProxyFromEnvironment(r); r.URL.Host != g.issuer.Host && proxy == nil && err == nil {
		r = r.WithContext(context.WithValue(r.Context(), foreign{}, true))
	}
	resp, err := g.next.RoundTrip(r)
	if err == nil {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(resp.Body, maxReply), resp.Body}
	}
	return resp, err
}

// checkDial refuses addresses of this machine and of its link, unless they are the
// issuer's. It sees the address that a name has resolved to, so no name is a way
// around it. Private networks are allowed: providers at home there have several hosts.
func checkDial(ctx context.Context, _, address string, _ syscall.RawConn) error {
	if aimed, _ := ctx.Value(foreign{}).(bool); !aimed {
		return nil
	}
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	if ip := at.Addr().Unmap(); ip.IsLoopback() || ip.IsUnspecified() || ip.IsLinkLocalUnicast() || ip.IsMulticast() {
		return fmt.Errorf("%w: %s", errAimed, address)
	}
	return nil
}
