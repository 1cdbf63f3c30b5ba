package api

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"
)

// noncePlaceholder is what index.html has where each reply gets its own nonce.
const noncePlaceholder = "__CSP_NONCE__"

// buildPlaceholder is what index.html has where each reply gets the build.
const buildPlaceholder = "__BUILD__"

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

// buildHeader names the dashboard of this controller in each of its replies, so that a
// page of another version notices that it has to be loaded anew.
const buildHeader = "X-Dashboard-Build"

// dashboard serves the single-page application.
type dashboard struct {
	assets map[string]asset
	index  []byte // nil: not built
	// build changes with every change of the application, whose files have the hash of
	// their content in the name that index.html uses. Empty: not built.
	build string
}

// asset is one file of the build, with what make ui compressed in advance. The bytes
// are those that are embedded; nothing is copied.
type asset struct {
	plain    fileOf
	encoded  []fileOf // the best first
	hashed   bool     // its name has the hash of its content
	mimeType string
}

type fileOf struct {
	encoding, etag string
	body           []byte
}

// encodings are what the build compresses to, the smallest result first.
var encodings = []struct{ name, suffix string }{{"br", ".br"}, {"gzip", ".gz"}}

func newDashboard(files fs.FS) *dashboard {
	d := &dashboard{assets: map[string]asset{}}
	if index, err := fs.ReadFile(files, "index.html"); err == nil {
		d.build = hashOf(index)
		d.index = bytes.ReplaceAll(index, []byte(buildPlaceholder), []byte(d.build))
	}
	// What cannot be read is not served.
	_ = fs.WalkDir(files, ".", func(name string, e fs.DirEntry, err error) error {
		mimeType := contentTypes[path.Ext(name)]
		if err != nil || e.IsDir() || mimeType == "" {
			return err
		}
		body, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		a := asset{plain: fileOf{etag: etagOf(body), body: body}, hashed: within(name, "assets"), mimeType: mimeType}
		for _, e := range encodings {
			if small, err := fs.ReadFile(files, name+e.suffix); err == nil {
				a.encoded = append(a.encoded, fileOf{e.name, etagOf(small), small})
			}
		}
		d.assets[name] = a
		return nil
	})
	return d
}

// hashOf is short: it distinguishes builds and proves nothing.
func hashOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}

func etagOf(b []byte) string { return `"` + hashOf(b) + `"` }

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
	case name == "" || name == "index.html" || !within(name, "assets") && strings.Contains(r.Header.Get("Accept"), "text/html"):
		d.page(c)
	}
}

func within(name, dir string) bool { return name == dir || strings.HasPrefix(name, dir+"/") }

// file sends one file of the build. Those below assets have the hash of their
// content in their name and never change; a browser asks again for the others, and
// gets 304 when it has them already.
func (d *dashboard) file(c *gin.Context, name string) {
	a, ok := d.assets[name]
	if !ok {
		return
	}
	f := a.plain
	if len(a.encoded) > 0 {
		c.Header("Vary", "Accept-Encoding")
		f = a.accepted(c.GetHeader("Accept-Encoding"))
	}
	c.Header("Cache-Control", "no-cache")
	if a.hashed {
		c.Header("Cache-Control", "public, max-age=31536000, immutable")
	}
	c.Header("ETag", f.etag)
	c.Abort()
	if noneMatch(c.Request.Header.Values("If-None-Match"), f.etag) {
		c.Status(http.StatusNotModified)
		return
	}
	if f.encoding != "" {
		c.Header("Content-Encoding", f.encoding)
	}
	c.Header("Content-Length", strconv.Itoa(len(f.body)))
	c.Data(http.StatusOK, a.mimeType, f.body)
}

// accepted is the smallest form that the header permits (RFC 9110, section 12.5.3).
func (a asset) accepted(header string) fileOf {
	for _, f := range a.encoded {
		if accepts(header, f.encoding) {
			return f
		}
	}
	return a.plain
}

// accepts says whether the header names the encoding, and not with a weight of zero.
func accepts(header, encoding string) bool {
	for part := range strings.SplitSeq(header, ",") {
		name, weight, _ := strings.Cut(part, ";")
		if !strings.EqualFold(strings.TrimSpace(name), encoding) {
			continue
		}
		q, weighed := strings.CutPrefix(strings.ToLower(strings.TrimSpace(weight)), "q=")
		v, err := strconv.ParseFloat(q, 64)
		return !weighed || err == nil && v > 0
	}
	return false
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
