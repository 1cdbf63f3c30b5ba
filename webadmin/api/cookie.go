package api

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
)

// Cookies. Under TLS their names begin with "__Host-", which makes a browser
// refuse them from any other host, from plain HTTP and for a narrower path: another
// site under the same domain cannot plant one.
const (
	sessionCookie = "zt_session"
	deviceCookie  = "zt_device"
	flowCookie    = "zt_oidc"
	hostPrefix    = "__Host-"
)

func (s *Server) cookieName(name string) string {
	if s.cfg.Secure {
		return hostPrefix + name
	}
	return name
}

// cookie reads a cookie that is there once. Of two of one name somebody else may
// have set one.
func (s *Server) cookie(c *gin.Context, name string) string {
	all := c.Request.CookiesNamed(s.cookieName(name))
	if len(all) != 1 {
		return ""
	}
	return all[0].Value
}

type cookie struct {
	name, value string
	life        time.Duration // 0 removes it
}

// setCookie is Lax and not Strict: the provider's answer comes by a link of another
// site and must find the flow it belongs to. What changes something also needs the CSRF
// token.
func (s *Server) setCookie(c *gin.Context, k cookie) {
	age := int(k.life.Seconds())
	if age <= 0 {
		age = -1
	}
	http.SetCookie(c.Writer, &http.Cookie{ //nolint:gosec // Secure is off without TLS, which loopback alone may be
		Name: s.cookieName(k.name), Value: k.value, Path: "/", MaxAge: age, HttpOnly: true, Secure: s.cfg.Secure, SameSite: http.SameSiteLaxMode,
	})
}

// SetupURL is the link of a setup code. The code is in the fragment, which no
// browser sends and no proxy logs.
func (s *Server) SetupURL(code string) string { return s.URL() + "/setup#code=" + code }

// pastedCode is the code in what somebody pasted, which may be a whole link.
func pastedCode(text string) string {
	_, fragment, link := strings.Cut(text, "#")
	if link {
		text = fragment
	}
	return strings.TrimPrefix(strings.TrimSpace(text), "code=")
}

// linkWarning says who cannot open a link that this server makes; empty if anybody can
// who reaches it.
func (s *Server) linkWarning() string {
	if s.cfg.PublicURL != "" {
		return ""
	}
	if at, ok := s.Addr().(*net.TCPAddr); ok && !at.IP.IsLoopback() && !at.IP.IsUnspecified() {
		return ""
	}
	return "the link opens on the controller's own machine only: set admin.public_url to the address at which others reach this dashboard, and make the link again"
}

// URL is how people reach this server.
func (s *Server) URL() string {
	switch {
	case s.cfg.PublicURL != "":
		return strings.TrimSuffix(s.cfg.PublicURL, "/")
	case s.cfg.TLS != nil:
		return "https://" + Reachable(s.Addr().String())
	}
	return "http://" + Reachable(s.Addr().String())
}

// Reachable is the address at which this host calls a listener that is bound to
// hostPort: 0.0.0.0 and :: are every address to listen at, and none to call.
func Reachable(hostPort string) string {
	host, port, err := net.SplitHostPort(hostPort)
	if err != nil {
		return hostPort
	}
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.Unmap().IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}
