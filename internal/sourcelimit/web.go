package sourcelimit

import (
	"context"
	"net"
	"net/http"
	"time"

	"golang.org/x/time/rate"
)

// What one connection may ask of a web server.
const (
	requestRate  = rate.Limit(100)
	requestBurst = 1000
	// webAge is when an anonymous connection is told to end with its next reply.
	webAge = 10 * time.Minute
	// webStreams is how many requests one HTTP/2 connection may have open; net/http
	// cuts one that resets more than four times as many before they are begun.
	webStreams = 64
)

// Web has a web server on a Listener cut connections that send too many requests,
// also if it resets them at once, and end anonymous ones that are old. Timeouts are
// the server's own.
func Web(s *http.Server) {
	inner := s.Handler
	s.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
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
