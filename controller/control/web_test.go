package control_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/bootstrapca"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/bootstrap"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hosttest"
)

// dialWeb is a TLS connection to the enrollment listener that offers these protocols.
func (w *world) dialWeb(t *testing.T, protocols ...string) *tls.Conn {
	t.Helper()
	c := bootstrap.ClientConfig(w.anchors(), td, nil)
	c.NextProtos = protocols
	raw, err := w.dialRaw(t)
	require.NoError(t, err)
	conn := tls.Client(raw, c)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.HandshakeContext(t.Context()))
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	return conn
}

// dialRaw is a connection to the enrollment listener, on which nothing was said yet.
func (w *world) dialRaw(t *testing.T) (net.Conn, error) {
	t.Helper()
	if w.memory != nil {
		return w.memory.DialContext(t.Context())
	}
	return (&net.Dialer{}).DialContext(t.Context(), "tcp", w.enrollment.Addr().String())
}

// webReply is what came back; the body is closed with the test.
type webReply struct {
	StatusCode    int
	ContentLength int64
	Close         bool
	Body          io.Reader
}

// say writes a request as it stands and reads the reply.
func say(t *testing.T, conn net.Conn, request string) webReply {
	t.Helper()
	_, err := io.WriteString(conn, request)
	require.NoError(t, err)
	got, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = got.Body.Close() })
	return webReply{got.StatusCode, got.ContentLength, got.Close, got.Body}
}

func get(target string) string {
	return "GET " + target + " HTTP/1.1\r\nHost: enroll.mycorp.internal:8443\r\n\r\n"
}

func text(t *testing.T, r io.Reader) string {
	t.Helper()
	all, err := io.ReadAll(r)
	require.NoError(t, err)
	return string(all)
}

func TestWebSharesTheListener(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, protocols := range map[string][]string{
		"a client of HTTP/1.1":                  {"http/1.1"},
		"curl, which offers both":               {"h2", "http/1.1"},
		"an old client, which offers nothing":   nil,
		"a client that prefers what is not had": {"h3", "http/1.1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := say(t, w.dialWeb(t, protocols...), get("/install/setup.sh"))
			require.Equal(t, http.StatusOK, got.StatusCode)
			require.Equal(t, hosttest.InstallFiles()["setup.sh"], text(t, got.Body))
			require.True(t, got.Close, "a connection is one request")
		})
	}
	t.Run("and gRPC has h2 to itself", func(t *testing.T) {
		t.Parallel()
		_, err := w.enrollmentClient(t, nil).FetchBundle(patient(t), &zerotrustv1.FetchBundleRequest{})
		require.NoError(t, err)
		conn := w.dialWeb(t, "h2")
		require.Equal(t, "h2", conn.ConnectionState().NegotiatedProtocol)
	})
	t.Run("and a client of neither gets no connection", func(t *testing.T) {
		t.Parallel()
		c := bootstrap.ClientConfig(w.anchors(), td, nil)
		c.NextProtos = []string{"h3"}
		_, err := (&tls.Dialer{Config: c}).DialContext(t.Context(), "tcp", w.enrollment.Addr().String())
		require.ErrorContains(t, err, "no application protocol")
	})
	t.Run("also with a host certificate", func(t *testing.T) {
		t.Parallel()
		c := bootstrap.ClientConfig(w.anchors(), td, nil)
		cert := w.hostCertificate(t).tls()
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return cert, nil }
		conn, err := (&tls.Dialer{Config: c}).DialContext(t.Context(), "tcp", w.enrollment.Addr().String())
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		require.Equal(t, http.StatusOK, say(t, conn, get("/install/VERSION")).StatusCode)
	})
}

func TestWebRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, c := range map[string]struct {
		request string
		want    int
	}{
		"a path that is not there":           {get("/install/x"), http.StatusNotFound},
		"a path up":                          {get("/install/../x"), http.StatusNotFound},
		"a path up in code":                  {get("/install/%2e%2e/setup.sh"), http.StatusNotFound},
		"a method of another kind":           {"POST /install/setup.sh HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", http.StatusMethodNotAllowed},
		"an RPC":                             {"POST " + zerotrustv1.EnrollmentService_Enroll_FullMethodName + " HTTP/1.1\r\nHost: x\r\nContent-Type: application/grpc\r\nContent-Length: 0\r\n\r\n", http.StatusNotFound},
		"an upgrade to HTTP/2":               {"GET /install/x HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n", http.StatusNotFound},
		"the preface of HTTP/2":              {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", http.StatusNotFound},
		"a proxy request":                    {"CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: 127.0.0.1:22\r\n\r\n", http.StatusNotFound},
		"headers without an end":             {"GET /install/setup.sh HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 16<<10), http.StatusRequestHeaderFieldsTooLarge},
		"many headers":                       {"GET /install/setup.sh HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("X: y\r\n", 4096), http.StatusRequestHeaderFieldsTooLarge},
		"two lengths, as a smuggler sends":   {"GET /install/setup.sh HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", http.StatusBadRequest},
		"a length and chunks":                {"GET /install/setup.sh HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", http.StatusBadRequest},
		"what is no HTTP":                    {"\x16\x03\x01 hello\r\n\r\n", http.StatusBadRequest},
		"HTTP of another century, by method": {"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", http.StatusNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := w.dialWeb(t, "http/1.1")
			require.Equal(t, c.want, say(t, conn, c.request).StatusCode)
		})
	}
}

// TestGRPCKnowsNoDownloads: who has negotiated h2 talks to gRPC, whatever it asks.
func TestGRPCKnowsNoDownloads(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := bootstrap.ClientConfig(w.anchors(), td, nil)
	c.NextProtos = []string{"h2"}
	var only http.Protocols
	only.SetHTTP2(true)
	transport := &http.Transport{TLSClientConfig: c, Protocols: &only}
	t.Cleanup(transport.CloseIdleConnections)
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		r, err := http.NewRequestWithContext(patient(t), method, "https://"+w.enrollment.Addr().String()+"/install/setup.sh", nil)
		require.NoError(t, err)
		got, err := transport.RoundTrip(r)
		require.NoError(t, err)
		require.NotEqual(t, http.StatusOK, got.StatusCode)
		require.Empty(t, text(t, got.Body))
		require.NoError(t, got.Body.Close())
	}
	err := dialTLS(t, w.enrollment.Addr(), bootstrap.ClientConfig(w.anchors(), td, nil)).Invoke(patient(t), "/install/setup.sh", &zerotrustv1.FetchBundleRequest{}, &zerotrustv1.FetchBundleResponse{})
	require.Contains(t, []codes.Code{codes.PermissionDenied, codes.Unimplemented}, status.Code(err), err)
}

// TestWebCutsWhoHoldsOn: nobody keeps a connection without using it.
func TestWebCutsWhoHoldsOn(t *testing.T) {
	t.Parallel()
	const longest = 10*time.Second + time.Millisecond
	for name, request := range map[string]string{
		"who says nothing":                    "",
		"who does not end its headers":        "GET /install/setup.sh HTTP/1.1\r\nHost: x\r\n",
		"who promises a body":                 "POST /install/setup.sh HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n",
		"who promises chunks":                 "POST /install/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n",
		"who got what it wanted":              get("/install/setup.sh"),
		"who sends another request behind it": get("/install/setup.sh") + "GET /install/setup.sh HTTP/1.1\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inMemory(t, plainly, func(t *testing.T, w *world) {
				conn := w.dialWeb(t, "http/1.1")
				_, err := io.WriteString(conn, request)
				require.NoError(t, err)
				start := time.Now()
				_, err = io.Copy(io.Discard, conn)
				var timeout net.Error
				require.False(t, err != nil && errors.As(err, &timeout) && timeout.Timeout(), "the server cuts: %v", err)
				require.Less(t, time.Since(start), longest)
			})
		})
	}
	t.Run("also byte by byte", func(t *testing.T) {
		t.Parallel()
		inMemory(t, plainly, func(t *testing.T, w *world) {
			conn := w.dialWeb(t, "http/1.1")
			start, tick := time.Now(), time.NewTicker(250*time.Millisecond)
			defer tick.Stop()
			for i := 0; ; i++ {
				if _, err := conn.Write([]byte{"GET /install/setup.sh HTTP/1.1\r\nX: "[min(i, 34)]}); err != nil {
					break
				}
				<-tick.C
			}
			require.Less(t, time.Since(start), longest+time.Second)
		})
	})
}

// TestWebCapsConnectionsOfASource: beyond the cap a connection is closed at once,
// those that are there go on, and gRPC is not touched. In fake time: a client has
// finished its handshake before the server has, and a connection that waits too long
// for the others is cut and makes room.
func TestWebCapsConnectionsOfASource(t *testing.T) {
	t.Parallel()
	inMemory(t, plainly, func(t *testing.T, w *world) {
		began := time.Now()
		served := func(conn net.Conn) {
			t.Helper()
			require.Equal(t, http.StatusOK, say(t, conn, get("/install/VERSION")).StatusCode)
			_ = conn.Close() // the server was first, perhaps
		}
		var there []*tls.Conn
		for range 64 {
			there = append(there, w.dialWeb(t, "http/1.1"))
		}
		synctest.Wait()
		for range 3 {
			_, err := w.dialWeb(t, "http/1.1").Read(make([]byte, 1))
			require.ErrorIs(t, err, io.EOF)
		}
		grpc := w.dialWeb(t, "h2")
		_, err := io.WriteString(grpc, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
		require.NoError(t, err)
		_, err = io.ReadFull(grpc, make([]byte, 9)) // its settings
		require.NoError(t, err)

		served(there[0])
		synctest.Wait()
		served(w.dialWeb(t, "http/1.1")) // a place is free again
		synctest.Wait()
		last := w.dialWeb(t, "http/1.1")
		synctest.Wait()
		_, err = w.dialWeb(t, "http/1.1").Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF, "and no more than one")
		for _, conn := range append(there[1:], last) {
			served(conn)
		}
		require.Equal(t, began, time.Now(), "nobody was waited for")
	})
}

// TestShutdownLetsADownloadEnd, and cuts one that does not.
func TestShutdownLetsADownloadEnd(t *testing.T) {
	t.Parallel()
	for name, read := range map[string]bool{"that is read": true, "but waits for none that is not": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inMemory(t, plainly, func(t *testing.T, w *world) {
				conn := w.dialWeb(t, "http/1.1")
				got := say(t, conn, get("/install/"+bigFile))
				require.Equal(t, int64(bigSize), got.ContentLength)
				start := time.Now()
				w.shutDown()
				if read {
					n, err := io.Copy(io.Discard, got.Body)
					require.NoError(t, err)
					require.Equal(t, int64(bigSize), n)
				}
				require.NoError(t, <-w.stopped)
				require.Less(t, time.Since(start), 6*time.Second)
				if !read {
					_, err := io.Copy(io.Discard, got.Body)
					require.Error(t, err)
				}
			})
		})
	}
}

// TestWebCutsASlowReader, whose place another one can take then.
func TestWebCutsASlowReader(t *testing.T) {
	t.Parallel()
	inMemory(t, plainly, func(t *testing.T, w *world) {
		got := say(t, w.dialWeb(t, "http/1.1"), get("/install/"+bigFile))
		require.Equal(t, http.StatusOK, got.StatusCode)
		<-time.After(29 * time.Second)
		require.False(t, w.installs.has("cut"), "it may take nothing for half a minute")
		<-time.After(11 * time.Second)
		require.True(t, w.installs.has("cut"))
		_, err := io.Copy(io.Discard, got.Body)
		require.Error(t, err, "it has not got all of it")
	})
}

// TestCurlFetchesAndOpenSSLVerifies, as the scripts of a host do.
func TestCurlFetchesAndOpenSSLVerifies(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dir := t.TempDir()
	run := func(program string, args ...string) (string, error) {
		cmd := exec.CommandContext(patient(t), program, args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	fetch := func(ca, name, path string) (string, error) {
		return run("curl", "-fsSL", "--proto", "=https", "--cacert", ca, "--connect-to", name+":8443:"+w.enrollment.Addr().String(),
			"-o", filepath.Base(path), "https://"+name+":8443/install/"+path)
	}
	const name = "enroll.mycorp.internal"
	for _, path := range []string{"SHA256SUMS", "SHA256SUMS.sig", "release.pub", "linux-amd64/grpcconnector.tar.gz", "setup.sh"} {
		out, err := fetch(w.ca.CertificatePath(), name, path)
		require.NoError(t, err, out)
	}
	out, err := run("openssl", "dgst", "-sha256", "-verify", "release.pub", "-signature", "SHA256SUMS.sig", "SHA256SUMS")
	require.NoError(t, err, out)
	require.Contains(t, out, "Verified OK")
	sum, err := run("sha256sum", "grpcconnector.tar.gz")
	require.NoError(t, err)
	sums, err := os.ReadFile(filepath.Join(dir, "SHA256SUMS"))
	require.NoError(t, err)
	require.Contains(t, string(sums), sum[:64]+"  linux-amd64/grpcconnector.tar.gz\n")

	t.Log("what must not work")
	out, err = fetch(w.ca.CertificatePath(), name, "no-such-file")
	require.Error(t, err)
	require.Contains(t, out, "404")
	out, err = fetch(w.ca.CertificatePath(), "www.mycorp.internal", "setup.sh")
	require.Error(t, err, "another name: %s", out)
	another, err := bootstrapca.Open(t.TempDir(), td, time.Now)
	require.NoError(t, err)
	out, err = fetch(another.CertificatePath(), name, "setup.sh")
	require.Error(t, err, "another CA: %s", out)
	out, err = run("openssl", "dgst", "-sha256", "-verify", "release.pub", "-signature", "SHA256SUMS.sig", "setup.sh")
	require.Error(t, err, out)
}
