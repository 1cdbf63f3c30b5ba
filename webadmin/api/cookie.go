package api

import (
	"net/http"
	"net/url"
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
	life        time.Duration // 0 takes it away
}

// setCookie is Lax and not Strict: the provider's answer comes by a link of another
// site and must find the flow it belongs to. What changes something needs the CSRF
// token besides.
func (s *Server) setCookie(c *gin.Context, k cookie) {
	age := int(k.life.Seconds())
	if age <= 0 {
		age = -1
	}
	http.SetCookie(c.Writer, &http.Cookie{
		Name: s.cookieName(k.name), Value: k.value, Path: "/", MaxAge: age, HttpOnly: true, Secure: s.cfg.Secure, SameSite: http.SameSiteLaxMode,
	})
}

// absolute is a path of ours as people outside see it.
func (s *Server) absolute(path, fragment string) string {
	u := url.URL{Scheme: "http", Host: s.Addr().String(), Path: path, Fragment: fragment}
	if base, err := url.Parse(s.cfg.PublicURL); err == nil && base.Host != "" {
		u.Scheme, u.Host = base.Scheme, base.Host
	} else if s.cfg.TLS != nil {
		u.Scheme = "https"
	}
	return u.String()
}
