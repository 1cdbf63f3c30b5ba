package api

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"io/fs"
	"net/http"
	"path"
	"strings"

	"github.com/gin-gonic/gin"
)

// noncePlaceholder is what index.html has where each reply gets its own nonce.
const noncePlaceholder = "__CSP_NONCE__"

const notBuilt = `<!doctype html><html lang="en"><meta charset="utf-8"><title>grpccontroller</title>` +
	`<p>The dashboard is not part of this build: make ui</p></html>`

// contentTypes are of what a build can hold. The system's own table of types is
// not asked: it differs from host to host, and nosniff makes a wrong one fatal.
var contentTypes = map[string]string{
	".js":    "text/javascript; charset=utf-8",
	".css":   "text/css; charset=utf-8",
	".svg":   "image/svg+xml",
	".png":   "image/png",
	".woff2": "font/woff2",
	".txt":   "text/plain; charset=utf-8",
}

// dashboard serves the single-page application.
type dashboard struct {
	files fs.FS
	index []byte // nil: not built
}

func newDashboard(files fs.FS) *dashboard {
	d := &dashboard{files: files}
	if index, err := fs.ReadFile(files, "index.html"); err == nil {
		d.index = index
	}
	return d
}

// serve answers what belongs to the dashboard and leaves the rest to the next
// handler, which says in JSON that there is no such path.
func (d *dashboard) serve(c *gin.Context) {
	r := c.Request
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return
	}
	name := strings.TrimPrefix(path.Clean(r.URL.Path), "/")
	if within(name, "api") || within(name, "oauth") {
		return
	}
	switch {
	case contentTypes[path.Ext(name)] != "":
		d.file(c, name)
	case !within(name, "assets") && strings.Contains(r.Header.Get("Accept"), "text/html"):
		d.page(c)
	}
}

func within(name, dir string) bool { return name == dir || strings.HasPrefix(name, dir+"/") }

// file sends one file of the build. Those below assets have the hash of their
// content in their name and never change.
func (d *dashboard) file(c *gin.Context, name string) {
	sent, encoding := name, ""
	body, err := fs.ReadFile(d.files, name)
	if err != nil {
		return
	}
	if strings.Contains(c.GetHeader("Accept-Encoding"), "gzip") {
		if zipped, err := fs.ReadFile(d.files, name+".gz"); err == nil {
			body, encoding = zipped, "gzip"
		}
	}
	c.Header("Vary", "Accept-Encoding")
	if encoding != "" {
		c.Header("Content-Encoding", encoding)
	}
	c.Header("Cache-Control", "no-cache")
	if within(sent, "assets") {
		c.Header("Cache-Control", "public, max-age=31536000, immutable")
	}
	c.Data(http.StatusOK, contentTypes[path.Ext(name)], body)
	c.Abort()
}

// page sends index.html for every path of the application: its router reads the
// rest. The nonce is new in each reply, so that markup which an attacker gets into
// a page cannot name it in advance.
func (d *dashboard) page(c *gin.Context) {
	var b [16]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never fails; it aborts the program instead
	nonce := base64.RawURLEncoding.EncodeToString(b[:])
	c.Header("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-"+nonce+"'; "+
		"img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'")
	c.Header("Cross-Origin-Opener-Policy", "same-origin")
	body := []byte(notBuilt)
	if d.index != nil {
		body = bytes.ReplaceAll(d.index, []byte(noncePlaceholder), []byte(nonce))
	}
	c.Data(http.StatusOK, "text/html; charset=utf-8", body)
	c.Abort()
}
