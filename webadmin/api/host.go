package api

import (
	"net"
	"net/netip"
	"net/url"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
)

// ownHosts are the names under which this server is asked. Nil takes any: beyond
// loopback, with a certificate and without a configured name, the browser has
// checked the name already.
func (s *Server) ownHosts() map[string]bool {
	names := append([]string{}, s.cfg.Hosts...)
	if u, err := url.Parse(s.cfg.PublicURL); err == nil && u.Hostname() != "" {
		names = append(names, u.Hostname())
	}
	at, _ := s.listener.Addr().(*net.TCPAddr)
	loopback := at != nil && at.IP.IsLoopback()
	if !loopback && len(names) == 0 {
		return nil
	}
	if at != nil && !at.IP.IsUnspecified() {
		names = append(names, at.IP.String())
	}
	names = append(names, "localhost", "127.0.0.1", "::1")
	hosts := map[string]bool{}
	for _, n := range names {
		hosts[strings.ToLower(n)] = true
	}
	return hosts
}

// checkHost refuses a request for somebody else's name. A page of evil.example
// that makes its name resolve to 127.0.0.1 (DNS rebinding) is of the same origin
// as what it then reads, and only this distinguishes the two.
func (s *Server) checkHost(c *gin.Context) {
	if l := localOf(c.Request.Context()); l != nil {
		s.admitLocal(c, l)
		return
	}
	if s.hosts == nil || s.hosts[hostname(c.Request.Host)] {
		return
	}
	s.fail(c, problem(adminapi.TypeWrongHost,
		"this server has another name; use the address of its public_url, or localhost"))
}

func hostname(hostport string) string {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.TrimSuffix(strings.TrimPrefix(hostport, "["), "]")
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Unmap().String()
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}
