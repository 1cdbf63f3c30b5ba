package install_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/install"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hosttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a service over a tree; results are what it said of itself.
type world struct {
	*install.Service

	dir string

	mu      sync.Mutex
	results []string
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{dir: hosttest.InstallTree(t)}
	tree, err := install.OpenTree(w.dir)
	require.NoError(t, err)
	w.Service, err = install.New(install.Config{Source: install.Source{Tree: tree, Key: key(t), Log: zap.NewNop()}, Result: w.result})
	require.NoError(t, err)
	return w
}

func (w *world) result(r string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.results = append(w.results, r)
}

func (w *world) last() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.results[len(w.results)-1]
}

func (w *world) has(r string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Contains(w.results, r)
}

func key(t testing.TB) *install.Key {
	t.Helper()
	k, err := install.OpenKey(filepath.Join(t.TempDir(), "release.key"))
	require.NoError(t, err)
	return k
}

func (w *world) do(t testing.TB, method, target string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "/", nil)
	r.RequestURI = target // as a client wrote it
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	out := httptest.NewRecorder()
	w.ServeHTTP(out, r)
	return out
}

func TestServesTheTree(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for path, content := range hosttest.InstallFiles() {
		got := w.do(t, http.MethodGet, "/install/"+path)
		require.Equal(t, http.StatusOK, got.Code, path)
		require.Equal(t, content, got.Body.String(), path)
		require.Equal(t, `"`+sum(content)+`"`, got.Header().Get("ETag"))
		require.Equal(t, "nosniff", got.Header().Get("X-Content-Type-Options"))
		require.Equal(t, "served", w.last())

		head := w.do(t, http.MethodHead, "/install/"+path)
		require.Equal(t, http.StatusOK, head.Code)
		require.Zero(t, head.Body.Len())
		require.Equal(t, got.Header(), head.Header())
	}
	require.Equal(t, "application/gzip", w.do(t, http.MethodGet, "/install/linux-arm64/grpcconnector.tar.gz").Header().Get("Content-Type"))
	require.Equal(t, "text/plain; charset=utf-8", w.do(t, http.MethodGet, "/install/setup.sh").Header().Get("Content-Type"))
}

func TestServesParts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const path = "linux-amd64/grpcconnector.tar.gz"
	content := hosttest.InstallFiles()[path]
	tag := `"` + sum(content) + `"`

	got := w.do(t, http.MethodGet, "/install/"+path, "Range", "bytes=4-10", "If-Range", tag)
	require.Equal(t, http.StatusPartialContent, got.Code)
	require.Equal(t, content[4:11], got.Body.String())
	got = w.do(t, http.MethodGet, "/install/"+path, "Range", "bytes=4-10", "If-Range", `"another"`)
	require.Equal(t, http.StatusOK, got.Code, "a download that goes on after an upgrade begins anew")
	got = w.do(t, http.MethodGet, "/install/"+path, "If-None-Match", tag)
	require.Equal(t, http.StatusNotModified, got.Code)
	require.Equal(t, "served", w.last())
	got = w.do(t, http.MethodGet, "/install/"+path, "Range", "bytes=9999-")
	require.Equal(t, http.StatusRequestedRangeNotSatisfiable, got.Code)
	require.Equal(t, "refused", w.last())
}

// TestSumsAreSigned checks them as a host does, with its own tools.
func TestSumsAreSigned(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dir := t.TempDir()
	for _, name := range []string{"SHA256SUMS", "SHA256SUMS.sig", "release.pub"} {
		got := w.do(t, http.MethodGet, "/install/"+name)
		require.Equal(t, http.StatusOK, got.Code)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), got.Body.Bytes(), 0o600))
	}
	sums, err := os.ReadFile(filepath.Join(dir, "SHA256SUMS"))
	require.NoError(t, err)
	var want strings.Builder
	for _, path := range slices.Sorted(maps.Keys(hosttest.InstallFiles())) {
		fmt.Fprintf(&want, "%s  %s\n", sum(hosttest.InstallFiles()[path]), path)
	}
	require.Empty(t, cmp.Diff(want.String(), string(sums)))

	run(t, w.dir, "Verified OK", "openssl", "dgst", "-sha256", "-verify", filepath.Join(dir, "release.pub"),
		"-signature", filepath.Join(dir, "SHA256SUMS.sig"), filepath.Join(dir, "SHA256SUMS"))
	run(t, w.dir, "linux-arm64/grpctunneler.tar.gz: OK", "sha256sum", "-c", filepath.Join(dir, "SHA256SUMS"))

	block, rest := pem.Decode(w.do(t, http.MethodGet, "/install/release.pub").Body.Bytes())
	require.Empty(t, rest)
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	require.NoError(t, err)
	digest := sha256.Sum256(append(sums, '\n'))
	require.False(t, ecdsa.VerifyASN1(public.(*ecdsa.PublicKey), digest[:], w.do(t, http.MethodGet, "/install/SHA256SUMS.sig").Body.Bytes()))
}

func run(t *testing.T, dir, want, program string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Contains(t, string(out), want)
}

// TestAnswersExactPathsOnly: a target that a server would clean, decode or complete
// into one of ours is not one of ours.
func TestAnswersExactPathsOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	hosttest.WriteInstallFile(t, filepath.Dir(w.dir), "secret", "secret")
	for _, target := range []string{
		"/install/", "/install", "/install/linux-amd64", "/install/linux-amd64/", "/", "", "*",
		"/install/../secret", "/install/%2e%2e/secret", "/install/..%2fsecret", "/install/linux-amd64/../../secret", "/install/..\\secret",
		"/install/./setup.sh", "/install//setup.sh", "//install/setup.sh", "/install/linux-amd64/../setup.sh",
		"/install/setup%2esh", "/install/linux%2Damd64/grpcconnector.tar.gz", "/install/linux-amd64%2Fgrpcconnector.tar.gz",
		"/install/setup.sh?x=1", "/install/setup.sh?", "/install/setup.sh#x", "/install/setup.sh/", "/install/setup.sh%00", "/install/SETUP.SH",
		"/install/release.key", "/release.key", "/install/sha256sums", "https://enroll.mycorp.internal:8443/install/setup.sh",
		"/zerotrust.v1.EnrollmentService/Enroll", "/livez", "/metrics", "/debug/pprof/",
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			got := w.do(t, method, target)
			require.Equal(t, http.StatusNotFound, got.Code, target)
			require.Equal(t, "there is no such file\n", got.Body.String(), target)
			require.Equal(t, "not_found", w.last())
		}
	}
}

func TestRefusesWhatIsNotADownload(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions, http.MethodConnect, http.MethodTrace, "get"} {
		got := w.do(t, method, "/install/setup.sh")
		require.Equal(t, http.StatusMethodNotAllowed, got.Code, method)
		require.Equal(t, "GET, HEAD", got.Header().Get("Allow"))
		require.Equal(t, "refused", w.last())
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/install/setup.sh", strings.NewReader("x"))
	got := httptest.NewRecorder()
	w.ServeHTTP(got, r)
	require.Equal(t, http.StatusBadRequest, got.Code)
	require.Equal(t, "refused", w.last())
}

// TestServesNoOtherBytes: the checksums are of what was there at start.
func TestServesNoOtherBytes(t *testing.T) {
	t.Parallel()
	const path = "linux-amd64/grpcconnector.tar.gz"
	for name, change := range map[string]func(t *testing.T, file string){
		"that were written over it": func(t *testing.T, file string) {
			t.Helper()
			require.NoError(t, os.WriteFile(file, []byte("other"), 0o600))
		},
		"that are as many, a moment later": func(t *testing.T, file string) {
			t.Helper()
			content := bytes.ToUpper([]byte(hosttest.InstallFiles()[path]))
			require.NoError(t, os.WriteFile(file, content, 0o600))
			require.NoError(t, os.Chtimes(file, time.Time{}, time.Now().Add(time.Second)))
		},
		"of a file that was put in its place": func(t *testing.T, file string) {
			t.Helper()
			info, err := os.Stat(file)
			require.NoError(t, err)
			content := bytes.ToUpper([]byte(hosttest.InstallFiles()[path]))
			require.NoError(t, os.WriteFile(file+".new", content, 0o600))
			require.NoError(t, os.Chtimes(file+".new", time.Time{}, info.ModTime()))
			require.NoError(t, os.Rename(file+".new", file))
		},
		"of a file that it links to": func(t *testing.T, file string) {
			t.Helper()
			require.NoError(t, os.Remove(file))
			require.NoError(t, os.Symlink("../setup.sh", file))
		},
		"when it is gone": func(t *testing.T, file string) { t.Helper(); require.NoError(t, os.Remove(file)) },
		"and waits for no pipe": func(t *testing.T, file string) {
			t.Helper()
			require.NoError(t, os.Remove(file))
			require.NoError(t, syscall.Mkfifo(file, 0o600))
		},
		"when the tree is gone": func(t *testing.T, file string) {
			t.Helper()
			dir := filepath.Dir(filepath.Dir(file))
			require.NoError(t, os.Rename(dir, dir+".old"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			change(t, filepath.Join(w.dir, path))
			got := w.do(t, http.MethodGet, "/install/"+path)
			require.Equal(t, http.StatusServiceUnavailable, got.Code)
			require.Equal(t, "the install tree was changed: the controller must be restarted\n", got.Body.String())
			require.Empty(t, got.Header().Get("ETag"))
			require.Equal(t, "changed", w.last())
		})
	}
}

func TestWithoutATreeSaysWhereOneIs(t *testing.T) {
	t.Parallel()
	w := &world{}
	var err error
	w.Service, err = install.New(install.Config{Source: install.Source{Key: key(t), Log: zap.NewNop()}, Result: w.result})
	require.NoError(t, err)
	for _, target := range []string{"/install/setup.sh", "/install/SHA256SUMS", "/install/release.pub", "/install/"} {
		got := w.do(t, http.MethodGet, target)
		require.Equal(t, http.StatusNotFound, got.Code)
		require.Contains(t, got.Body.String(), "install the package grpccontroller")
		require.Equal(t, "no_tree", w.last())
	}
	w.do(t, http.MethodGet, "/")
	require.Equal(t, "not_found", w.last())
}

func TestServesTheBootstrapCAWithOrWithoutATree(t *testing.T) {
	t.Parallel()
	tree, err := install.OpenTree(hosttest.InstallTree(t))
	require.NoError(t, err)
	for _, tree := range []*install.Tree{nil, tree} {
		w := &world{}
		w.Service, err = install.New(install.Config{Source: install.Source{Tree: tree, Key: key(t), Log: zap.NewNop()}, CA: func() []byte { return []byte("the CA") }, Result: w.result})
		require.NoError(t, err)
		got := w.do(t, http.MethodGet, install.CAPath)
		require.Equal(t, http.StatusOK, got.Code)
		require.Equal(t, "the CA", got.Body.String())
		require.Equal(t, "application/x-pem-file", got.Header().Get("Content-Type"))
		for _, target := range []string{"/install/ca.crt", "/ca.crt/", "//ca.crt", "/ca.crt?x"} {
			require.Equal(t, http.StatusNotFound, w.do(t, http.MethodGet, target).Code, target)
		}
		require.Equal(t, http.StatusMethodNotAllowed, w.do(t, http.MethodPost, install.CAPath).Code)
	}
}

func FuzzTarget(f *testing.F) {
	w := newWorld(f)
	known := map[string]string{}
	for path, content := range hosttest.InstallFiles() {
		known["/install/"+path] = content
	}
	for _, name := range []string{"SHA256SUMS", "SHA256SUMS.sig", "release.pub"} {
		known["/install/"+name] = w.do(f, http.MethodGet, "/install/"+name).Body.String()
	}
	for target := range known {
		f.Add(target, "")
	}
	f.Add("/install/../secret", "bytes=0-1")
	f.Add("/install/%2e%2e/setup.sh", "bytes=-1")
	f.Fuzz(func(t *testing.T, target, part string) {
		got := w.do(t, http.MethodGet, target, "Range", part)
		content, ok := known[target]
		switch {
		case !ok:
			require.Equal(t, http.StatusNotFound, got.Code)
		case got.Code == http.StatusOK:
			require.Equal(t, content, got.Body.String())
		default:
			require.Contains(t, []int{http.StatusPartialContent, http.StatusRequestedRangeNotSatisfiable}, got.Code)
		}
	})
}
