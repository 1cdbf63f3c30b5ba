package hostinstall

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/bootstrap"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// Bounds of a download.
const (
	maxText    = 1 << 20
	maxArchive = 256 << 20
	stallLimit = 30 * time.Second
	// tries: hosts behind one address that are installed in the same minute take turns,
	// for a controller has room for so many downloads of one address.
	tries = 60
)

// errBusy is returned for a controller that has no room for a download just now.
var errBusy = errors.New("busy")

// controller is where a release comes from. No CA but the given ones counts, and no
// proxy.
type controller struct {
	address, ca string // as given, for messages
	td          spiffeid.TrustDomain
	http        http.RoundTripper
	// cache has what the script fetched; it is used where it is what the checksums name.
	cache string
	work  string
}

func newController(address, caPath string, td spiffeid.TrustDomain) (*controller, error) {
	anchors, err := bootstrap.LoadAnchors(caPath)
	if err != nil {
		return nil, err
	}
	config := bootstrap.ClientConfig(anchors, td, nil)
	config.NextProtos = []string{"http/1.1"}
	dialer := &net.Dialer{Timeout: 15 * time.Second}
	return &controller{address: address, ca: caPath, td: td, http: &http.Transport{
		TLSClientConfig: config, TLSHandshakeTimeout: 15 * time.Second, ResponseHeaderTimeout: stallLimit,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "tcp", address)
		},
		DisableKeepAlives: true,
	}}, nil
}

// text returns a small file.
func (c *controller) text(ctx context.Context, path string) ([]byte, error) {
	var out bytes.Buffer
	err := c.get(ctx, path, maxText, func() (io.Writer, error) { out.Reset(); return &out, nil })
	return out.Bytes(), err
}

// archive returns the path of a file whose hash is this one.
func (c *controller) archive(ctx context.Context, path, sum string) (string, error) {
	if c.cache != "" {
		if kept := filepath.Join(c.cache, filepath.Base(path)); hashOf(kept) == sum {
			return kept, nil
		}
	}
	to := filepath.Join(c.work, filepath.Base(path))
	f, err := os.OpenFile(to, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", err
	}
	var h hash.Hash
	err = c.get(ctx, path, maxArchive, func() (io.Writer, error) {
		h = sha256.New()
		_, err := f.Seek(0, io.SeekStart)
		return io.MultiWriter(f, h), errors.Join(err, f.Truncate(0))
	})
	if err := errors.Join(err, f.Close()); err != nil {
		return "", err
	}
	if hex.EncodeToString(h.Sum(nil)) != sum {
		return "", fmt.Errorf("%s is not the file that the signed checksums name: nothing is installed", path)
	}
	return to, nil
}

func hashOf(file string) string {
	f, err := os.Open(file)
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return ""
	}
	return hex.EncodeToString(h.Sum(nil))
}

// get downloads; begin is called for each try.
func (c *controller) get(ctx context.Context, path string, limit int64, begin func() (io.Writer, error)) error {
	for range tries {
		w, err := begin()
		if err != nil {
			return err
		}
		if err = c.once(ctx, path, limit, w); !errors.Is(err, errBusy) {
			return err
		}
		if err := pause(ctx, time.Duration(3+rand.IntN(5))*time.Second); err != nil { //nolint:gosec // so that hosts do not come together
			return err
		}
	}
	return fmt.Errorf("the controller at %s is busy with other downloads: run the command again later", c.address)
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

func (c *controller) once(ctx context.Context, path string, limit int64, w io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	url := "https://" + identity.EnrollServerName(c.td) + ":8443/install/" + path
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	resp, err := c.http.RoundTrip(req)
	if err != nil {
		return c.explain(path, err)
	}
	defer func() { _ = resp.Body.Close() }()
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusServiceUnavailable:
		return errBusy
	default:
		return fmt.Errorf("the controller at %s has no %s to install (%s): its package brings it", c.address, path, resp.Status)
	}
	stall := time.AfterFunc(stallLimit, cancel) // a sender that stops is left
	defer stall.Stop()
	n, err := io.Copy(w, io.LimitReader(progress{resp.Body, stall}, limit+1))
	switch {
	case err != nil:
		return fmt.Errorf("the download of %s from %s was cut off: run the command again", path, c.address)
	case n > limit:
		return fmt.Errorf("%s of the controller at %s is larger than any release", path, c.address)
	}
	return nil
}

// progress puts the end off as long as there is some.
type progress struct {
	io.Reader

	stall *time.Timer
}

// Read hides that of the reader.
func (p progress) Read(b []byte) (int, error) {
	n, err := p.Reader.Read(b)
	p.stall.Reset(stallLimit)
	return n, err
}

// explain says what to check.
func (c *controller) explain(path string, err error) error {
	var (
		unknown *net.DNSError
		invalid x509.CertificateInvalidError
		trust   *tls.CertificateVerificationError
		network *net.OpError
	)
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Errorf("a certificate of the controller at %s is not valid at the time that this host's clock says, %s: set the clock, or ask for a new ca.crt",
			c.address, time.Now().UTC().Format("2006-01-02 15:04 UTC"))
	case errors.As(err, &trust):
		return fmt.Errorf("the controller at %s is not the one of %s and trust domain %s: check CONTROLLER_ADDR, CONTROLLER_CA_PATH and TRUST_DOMAIN", c.address, c.ca, c.td)
	case errors.As(err, &unknown):
		return fmt.Errorf("the name in CONTROLLER_ADDR (%s) is unknown: check it, and this host's DNS", c.address)
	case errors.As(err, &network), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("no connection to %s: check CONTROLLER_ADDR, that the controller runs, and the firewalls between", c.address)
	}
	return fmt.Errorf("download of %s from %s: %w", path, c.address, err)
}
