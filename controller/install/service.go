package install

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"path"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/sourcelimit"
)

// Prefix is where everything is.
const Prefix = "/install/"

// CAPath is where the bootstrap CA is, for a host that has nothing of this controller
// yet: it believes what it gets only by its fingerprint.
const CAPath = "/ca.crt"

// How a request can end.
const (
	served   = "served"    // the whole of it, a part that was asked for, or "not modified"
	notFound = "not_found" // no such path
	noTree   = "no_tree"
	refused  = "refused" // a method, a body or a range that is not for this
	busy     = "busy"
	changed  = "changed" // the file is not the one that was hashed
	cut      = "cut"     // too slow, or the client went away
)

// Results lists what Config.Result may be called with.
func Results() []string {
	return []string{served, notFound, noTree, refused, busy, changed, cut}
}

// What a download may take. A release has some 25 MB a file: at the least rate that
// is half an hour.
const (
	maxDownloads     = 128
	maxDownloadsFrom = 32
	defaultStall     = 30 * time.Second
	defaultRate      = 16 << 10
)

// Source is what new hosts are installed from, as it was at start.
type Source struct {
	Tree *Tree // nil: there is none
	Key  *Key
	Log  *zap.Logger
}

// Open reads the tree at dir, which install_dir names, and opens or makes the key that signs
// it. A tree that is not there or not fit to be served stops nothing: hosts can be installed by
// packages too.
func Open(dir, keyFile string, log *zap.Logger) (Source, error) {
	s := Source{Log: log}
	var err error
	if s.Key, err = OpenKey(keyFile); err != nil {
		return s, err
	}
	if s.Key.Made {
		log.Info("release key created; hosts that trust another release key will refuse it", zap.String("file", keyFile), zap.String("fingerprint", s.Key.Fingerprint()))
	}
	switch s.Tree, err = OpenTree(dir); {
	case errors.Is(err, ErrNoTree):
		log.Info("no install tree, hosts are installed by package", zap.String("install_dir", dir))
	case err != nil:
		log.Error("install tree cannot be served: check install_dir", zap.Error(err))
	default:
		log.Info("install tree read", zap.String("install_dir", dir), zap.String("version", s.Tree.Version()),
			zap.Strings("platforms", s.Tree.Platforms()), zap.Int("files", s.Tree.Files()))
	}
	return s, nil
}

// Scripts says whether a host can be installed by the scripts of the tree.
func (s Source) Scripts() bool {
	return s.Tree != nil && s.Tree.Has("setup.sh") && s.Tree.Has("tunneler-setup.sh")
}

// Config is what a Service needs.
type Config struct {
	Source

	// CA is the bootstrap CA (PEM) as it is now.
	CA func() []byte
	// Result is called with how each request ended, one of Results. Optional.
	Result func(result string)

	// Stall is how long a client may take no byte at all, 30 s unless set.
	Stall time.Duration
	// Rate is what a client must take on average after that, in bytes a second:
	// 16 KiB unless set.
	Rate int64
}

// Service answers GET and HEAD of exactly the files of the tree and of what signs
// them.
type Service struct {
	cfg     Config
	entries map[string]entry // by request target
	inside  *sourcelimit.Turnstile
}

// entry is what one request target gets.
type entry struct {
	contentType string
	etag        string
	file        file
	text        []byte // in place of a file
}

// New signs the checksums of the tree.
func New(cfg Config) (*Service, error) {
	if cfg.Stall == 0 {
		cfg.Stall = defaultStall
	}
	if cfg.Rate == 0 {
		cfg.Rate = defaultRate
	}
	if cfg.CA == nil {
		cfg.CA = func() []byte { return nil }
	}
	if cfg.Result == nil {
		cfg.Result = func(string) {}
	}
	s := &Service{cfg: cfg, entries: map[string]entry{}, inside: sourcelimit.NewTurnstile(maxDownloads, maxDownloadsFrom)}
	s.entries[CAPath] = entry{} // of now, when it is asked for
	if cfg.Tree == nil {
		return s, nil
	}
	signature, err := cfg.Key.sign(cfg.Tree.sums)
	if err != nil {
		return nil, fmt.Errorf("sign %s: %w", sumsFile, err)
	}
	for p, f := range cfg.Tree.files {
		s.entries[Prefix+p] = entry{contentType: contentType(p), etag: quoted(f.sum), file: f}
	}
	for p, text := range map[string][]byte{sumsFile: cfg.Tree.sums, sigFile: signature, publicFile: cfg.Key.Public()} {
		s.add(Prefix+p, text)
	}
	return s, nil
}

// add serves a text that is in memory.
func (s *Service) add(target string, text []byte) { s.entries[target] = inMemory(target, text) }

func inMemory(target string, text []byte) entry {
	sum := sha256.Sum256(text)
	return entry{contentType: contentType(target), etag: quoted(hex.EncodeToString(sum[:])), text: text}
}

func quoted(sum string) string { return `"` + sum + `"` }

// contentType is never guessed from the content.
func contentType(p string) string {
	switch path.Ext(p) {
	case ".gz":
		return "application/gzip"
	case ".crt":
		return "application/x-pem-file"
	case ".sig":
		return "application/octet-stream"
	default:
		return "text/plain; charset=utf-8"
	}
}

// ServeHTTP implements http.Handler.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.cfg.Result(s.serve(w, r))
}

func (s *Service) serve(w http.ResponseWriter, r *http.Request) (result string) {
	header := w.Header()
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "no-cache") // may be kept, and is asked for by its ETag
	e, ok := s.entries[r.RequestURI]
	switch {
	case s.cfg.Tree == nil && strings.HasPrefix(r.RequestURI, Prefix):
		return say(w, http.StatusNotFound, noTree, "this controller has no install tree: install the package grpccontroller, "+
			"or run scripts/installtree.sh and set install_dir")
	case !ok:
		return say(w, http.StatusNotFound, notFound, "there is no such file")
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		header.Set("Allow", "GET, HEAD")
		return say(w, http.StatusMethodNotAllowed, refused, "only GET and HEAD")
	case r.ContentLength != 0:
		return say(w, http.StatusBadRequest, refused, "a request body is not allowed")
	}
	// An address that does not parse is the zero one: all of those count as one.
	from, _ := netip.ParseAddrPort(r.RemoteAddr)
	leave, ok := s.inside.Enter(from.Addr())
	if !ok {
		header.Set("Retry-After", "5")
		return say(w, http.StatusServiceUnavailable, busy, "too many downloads at once, try again in a few seconds")
	}
	defer leave()
	if r.RequestURI == CAPath {
		e = inMemory(CAPath, s.cfg.CA())
	}
	return s.send(w, r, e)
}

func (s *Service) send(w http.ResponseWriter, r *http.Request, e entry) (result string) {
	var content io.ReadSeeker = bytes.NewReader(e.text)
	if e.text == nil {
		f, ok := s.cfg.Tree.reopen(e.file)
		if !ok {
			s.cfg.Log.Error("file of the install tree not served: it changed since the start; restart the controller to serve it",
				zap.String("path", e.file.path))
			w.Header().Set("Retry-After", "60")
			return say(w, http.StatusServiceUnavailable, changed, "the install tree was changed: the controller must be restarted")
		}
		defer func() { _ = f.Close() }()
		content = f
	}
	w.Header().Set("Content-Type", e.contentType)
	w.Header().Set("ETag", e.etag)
	p := newPaced(w, s.cfg.Stall, s.cfg.Rate)
	http.ServeContent(p, r, "", e.file.changed, content)
	switch {
	case p.failed != nil:
		return cut
	case p.status >= http.StatusBadRequest:
		return refused
	default:
		return served
	}
}

func say(w http.ResponseWriter, status int, result, text string) string {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n")
	return result
}
