package sourcelimit

import (
	"context"
	"io"
	"net"
	"net/http"
	"time"

	"golang.org/x/time/rate"
)

// What one connection may ask of a web server.
const (
	requestRate  = rate.Limit(100)
	requestBurst = 1000
	// webAge is the age at which an anonymous connection ends with its next reply.
	webAge = 10 * time.Minute
	// webStreams is how many requests one HTTP/2 connection may have open; net/http
	// cuts one that resets more than four times as many before they are begun.
	webStreams = 64
)

// limit has a web server on a Listener cut anonymous connections that send too many
// requests, also if they reset them at once, and end those that are old. A known caller
// is asked to wait.
func limit(s *http.Server) {
	inner, more := s.Handler, s.ConnContext
	s.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		if more != nil {
			ctx = more(ctx, c)
		}
		if t, ok := c.(interface{ NetConn() net.Conn }); ok { // *tls.Conn
			c = t.NetConn()
		}
		if of := LimitedOf(c); of != nil {
			return context.WithValue(ctx, webKey{}, &webConn{of, rate.NewLimiter(requestRate, requestBurst)})
		}
		return ctx
	}
	s.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: webStreams}
	s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c := webConnOf(r.Context()); c != nil {
			if !c.requests.Allow() {
				if c.identified() { // a script that is too quick: it has to know what was not done
					tooMany(w)
					return
				}
				c.Flood()
				return
			}
			if time.Since(c.Since()) > webAge && !c.identified() {
				w.Header().Set("Connection", "close")
			}
		}
		inner.ServeHTTP(w, r)
	})
}

// TooManyRequests is the body of a refusal, a problem of the admin API (RFC 9457). No
// handler has seen the request, so that it has no id.
const TooManyRequests = `{"type":"urn:grpccontroller:problem:too-many-requests","title":"Too many requests on one connection","status":429,` +
	`"detail":"too many requests on this connection; wait","request_id":""}`

// tooMany refuses one request.
func tooMany(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "1")
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(http.StatusTooManyRequests)
	_, _ = io.WriteString(w, TooManyRequests)
}

// IdentifyRequest is Conn.Identify of the connection that a request came by, once
// its caller is authenticated.
func IdentifyRequest(ctx context.Context, identity string) {
	if c := webConnOf(ctx); c != nil {
		c.Identify(identity)
	}
}

type webKey struct{}

type webConn struct {
	*Conn

	requests *rate.Limiter
}

func webConnOf(ctx context.Context) *webConn {
	c, _ := ctx.Value(webKey{}).(*webConn)
	return c
}

func (c *Conn) identified() bool {
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	return c.identity != ""
}
