package adminclient

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
)

const (
	// callTimeout is longer than the server gives a handler, so that its answer
	// arrives and not only a timeout.
	callTimeout = 35 * time.Second
	dialTimeout = 5 * time.Second
	// maxReply is far above the largest page (500 members).
	maxReply = 8 << 20
)

// Client calls one admin API.
type Client struct {
	base *url.URL
	err  error  // of New, returned by every call
	key  string // empty at a local admin socket
	http *http.Client
}

// Target says which API a Client calls, and as whom.
type Target struct {
	// Socket is the path of a local admin socket, where the kernel says who calls.
	// Without it the API is at URL, such as "https://controller.example.com", and Key
	// says who calls.
	Socket   string
	URL, Key string
	// Roots verify the server; nil are those of this host.
	Roots *x509.CertPool
}

// New returns a client of the API at baseURL, such as "http://127.0.0.1:8080".
// A wrong address is an error of the first call.
func New(baseURL, key string) *Client { return To(Target{URL: baseURL, Key: key}) }

// To returns a client of a target. A wrong address is an error of the first call.
func To(t Target) *Client {
	dial := (&net.Dialer{Timeout: dialTimeout}).DialContext
	transport := &http.Transport{
		DialContext:         dial,
		TLSClientConfig:     &tls.Config{RootCAs: t.Roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout: dialTimeout,
		IdleConnTimeout:     30 * time.Second,
		// No proxy: an environment variable must not decide who sees the key.
	}
	c := &Client{key: t.Key}
	if t.Socket != "" {
		c.key, c.base = "", &url.URL{Scheme: "http", Host: "localhost"}
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx, "unix", t.Socket) }
	} else {
		c.base, c.err = parseBase(t.URL)
	}
	c.http = &http.Client{
		Timeout: callTimeout, Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c
}

func parseBase(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
		return nil, errors.New("the admin API's address must be a URL such as http://127.0.0.1:8080")
	}
	if ip, err := netip.ParseAddr(u.Hostname()); err == nil && ip.Unmap().IsUnspecified() {
		return nil, fmt.Errorf("%s://%s is an address to listen at, not to connect to: use the name or address of the controller's host", u.Scheme, u.Host)
	}
	switch {
	case u.Scheme == "https":
	case u.Scheme != "http":
		return nil, fmt.Errorf("the admin API's address must begin with http:// or https://, not %s://", u.Scheme)
	case !isLoopback(u.Hostname()):
		return nil, fmt.Errorf("http://%s would send the API key in clear text over the network; use https:// or an SSH tunnel to a loopback address", u.Host)
	}
	host := strings.ToLower(u.Host)
	if u.Port() == map[string]string{"https": "443", "http": "80"}[u.Scheme] {
		host = strings.TrimSuffix(host, ":"+u.Port())
	}
	return &url.URL{Scheme: u.Scheme, Host: host}, nil
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

// Close frees idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// call sends one request. in and out may be nil. Errors: *Error when the API
// answered, *url.Error when it could not be reached.
func (c *Client) call(ctx context.Context, method string, path *url.URL, in, out any) error {
	if c.err != nil {
		return c.err
	}
	req, err := c.request(ctx, method, path, in)
	if err != nil {
		return err
	}
	return c.send(req, out)
}

// send sends a request that is made and reads its reply.
func (c *Client) send(req *http.Request, out any) error {
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxReply+1))
	if err != nil {
		return fmt.Errorf("read the admin API's reply: %w", err)
	}
	if len(body) > maxReply {
		return fmt.Errorf("the admin API's reply is larger than %d MiB", maxReply>>20)
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return errorOf(resp, body)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(body, out); err != nil {
		return fmt.Errorf("%s does not answer like the admin API: %w", c.base, err)
	}
	return nil
}

func (c *Client) request(ctx context.Context, method string, path *url.URL, in any) (*http.Request, error) {
	body := []byte(nil)
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return nil, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base.ResolveReference(path).String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Accept", "application/json, "+adminapi.ProblemContentType)
	if strings.ContainsFunc(c.key, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, errors.New("the API key contains a character that API keys never have") // net/http's error would quote it
	}
	if c.key != "" {
		req.Header.Set("Authorization", "Bearer "+c.key)
	}
	return req, nil
}

// route builds a path; segments are escaped, so that an id never becomes another
// path.
func route(segments ...string) *url.URL {
	u := &url.URL{Path: adminapi.Base, RawPath: adminapi.Base}
	for _, s := range segments {
		u.Path += "/" + s
		u.RawPath += "/" + escape(s)
	}
	return u
}

// escape also hides "." and "..", which a resolver would walk.
func escape(s string) string { return strings.ReplaceAll(url.PathEscape(s), ".", "%2E") }
