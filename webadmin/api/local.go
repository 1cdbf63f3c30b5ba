package api

import (
	"context"
	"net"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/localsocket"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/sourcelimit"
)

// localKey finds the connection of a request that came by the local admin socket.
// Only serveLocal's server puts it into a context, so no request of another listener
// can have it, whatever it says of itself.
type localKey struct{}

// localOf is the connection of a request that came by the local admin socket, else nil.
func localOf(ctx context.Context) *localsocket.Conn {
	c, _ := ctx.Value(localKey{}).(*localsocket.Conn)
	return c
}

// localServer serves the same API at the local admin socket, where the kernel says who
// calls and nothing else does.
func (s *Server) localServer() *http.Server {
	srv := s.webServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		dropCredentials(r.Header)
		s.engine.ServeHTTP(w, r)
	}))
	srv.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		of := sourcelimit.LimitedOf(c)
		if of == nil {
			return ctx
		}
		local, ok := of.Conn.(*localsocket.Conn)
		if !ok {
			return ctx
		}
		if local.Owner {
			of.Identify(auth.LocalActor)
		}
		return context.WithValue(ctx, localKey{}, local)
	}
	return srv
}

// dropCredentials removes what says who calls, or from where, before anything reads
// it: at this socket it neither helps nor hinders.
func dropCredentials(h http.Header) {
	for name := range h {
		switch {
		case name == "Authorization", name == "Proxy-Authorization", name == "Cookie",
			name == "Forwarded", name == "X-Real-Ip", strings.HasPrefix(name, "X-Forwarded-"):
			delete(h, name)
		}
	}
}

// localHost is the name under which the socket is asked.
const localHost = "localhost"

// admitLocal lets owners in, and programs only. No browser opens a Unix socket, but one
// reaches it where somebody has forwarded the socket to a port (ssh -L): then every page
// that its user visits could ask in the name of root, with DNS rebinding even read the
// answers. Browsers say so in Sec-Fetch-* and Origin, or have another name for this host.
func (s *Server) admitLocal(c *gin.Context, l *localsocket.Conn) {
	if !l.Owner {
		if s.failures.allow("") {
			s.recordRefusal(c, "", "neither root nor the controller's own user")
		}
		s.fail(c, problem(adminapi.TypeForbidden, "only root and the controller's own user may use the local admin socket, and you are "+
			l.Peer.String()+" to the controller; use sudo, or an API key at the address of the dashboard"))
		return
	}
	if c.Request.Host != localHost {
		s.fail(c, problem(adminapi.TypeWrongHost, "for the local admin socket use http://"+localHost))
		return
	}
	for name := range c.Request.Header {
		if name == "Origin" || strings.HasPrefix(name, "Sec-Fetch-") {
			s.recordRefusal(c, "", "a browser at the local admin socket")
			s.fail(c, problem(adminapi.TypeForbidden, "the local admin socket is for programs; open the dashboard at its own address"))
			return
		}
	}
}
