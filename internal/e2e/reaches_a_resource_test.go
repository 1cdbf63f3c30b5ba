package e2e_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hosttest"
)

// reach is a world with a connector, and a tunneler at whose local addresses curl asks.
type reach struct {
	*system
	connector, tunneler *world.Host
	socks, proxy        string
}

func reaching(t *testing.T) *reach {
	t.Helper()
	s := newWorld(t)
	r := &reach{system: s, connector: s.join("a", "connector", "c-01"), socks: hosttest.Address(t), proxy: hosttest.Address(t)}
	r.tunneler = s.Host("b", "tunneler", "t-01")
	r.tunneler.Env = []string{"SOCKS_LISTEN=" + r.socks, "HTTP_LISTEN=" + r.proxy, "LOCAL_SOCKET=" + filepath.Join(r.tunneler.Dir, "local.sock")}
	s.Enroll(r.tunneler)
	require.NoError(t, r.tunneler.Start())
	s.Online(r.tunneler)
	return r
}

// resource protects a server that listens at an address of this host, which only a
// resource that names it reaches.
func (r *reach) resource(id string, at net.Addr) adminapi.Resource {
	r.t.Helper()
	host, port, err := net.SplitHostPort(at.String())
	require.NoError(r.t, err)
	res, err := r.api.CreateResource(r.t.Context(), adminapi.ResourceRequest{ID: id, Hosts: []string{host}, Ports: []string{port}})
	require.NoError(r.t, err)
	return res
}

func (r *reach) grant(id, subject, object string) {
	r.t.Helper()
	_, err := r.api.CreateGrant(r.t.Context(), adminapi.GrantRequest{ID: id, Subject: subject, Object: object})
	require.NoError(r.t, err)
}

// curl runs it, through SOCKS5 or, with --proxy among the arguments, through that.
func (r *reach) curl(args ...string) (out string, code int) {
	r.t.Helper()
	cmd := exec.CommandContext(r.t.Context(), "curl", append([]string{"--silent", "--show-error", "--max-time", "30", "--noproxy", ""}, args...)...)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		var exit *exec.ExitError
		require.ErrorAs(r.t, err, &exit, "%s", stderr.String())
		return stderr.String(), exit.ExitCode()
	}
	return stdout.String(), 0
}

// TestCurlReachesWhatIsGrantedAndNothingElse, through SOCKS5 and CONNECT.
func TestCurlReachesWhatIsGrantedAndNothingElse(t *testing.T) {
	t.Parallel()
	r := reaching(t)
	body := strings.Repeat("0123456789abcdef", 1<<16) // 1 MiB
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Method == http.MethodPost {
			sum := sha256.New()
			_, _ = io.Copy(sum, req.Body)
			_, _ = fmt.Fprint(w, hex.EncodeToString(sum.Sum(nil)))
			return
		}
		_, _ = io.WriteString(w, body)
	}))
	defer server.Close()
	socks, proxy := []string{"--proxy", "socks5h://" + r.socks, server.URL}, []string{"--proxy", "http://" + r.proxy, "--proxytunnel", server.URL}
	refused := func(why string) {
		t.Helper()
		out, code := r.curl(socks...)
		require.Equal(t, 97, code, "%s: %s", why, out)
		out, code = r.curl(proxy...)
		require.Equal(t, 56, code, "%s: %s", why, out)
		require.Contains(t, out, "403", why)
	}
	refused("nothing is a resource")
	r.resource("web", server.Listener.Addr())
	refused("no grant")
	r.grant("laptop-web", "tunneler/t-01", "resource/web")
	begin := time.Now()
	s := r.eventuallyReaches(socks)
	t.Logf("the grant let it in after %.0f ms", time.Since(begin).Seconds()*1000)
	require.Equal(t, body, s)
	out, code := r.curl(proxy...)
	require.Zero(t, code, out)
	require.Equal(t, body, out)
	sent := filepath.Join(t.TempDir(), "sent")
	require.NoError(t, os.WriteFile(sent, []byte(body), 0o600))
	out, code = r.curl(append([]string{"--data-binary", "@" + sent}, socks...)...)
	require.Zero(t, code, out)
	want := sha256.Sum256([]byte(body))
	require.Equal(t, hex.EncodeToString(want[:]), out, "what was sent arrived as it was")

	ran, err := r.CLI(t.Context(), "explain", "--from", "t-01", "--to", server.Listener.Addr().String())
	require.NoError(t, err)
	require.Zero(t, ran.Code, ran.Stderr)
	require.Contains(t, ran.Stdout, "laptop-web")

	r.recorded("carried", func(f adminapi.FlowRecord) bool {
		return f.TunnelerID == "t-01" && f.ConnectorID == "c-01" && f.NetworkID == "default" && f.ResourceID == "web" && f.GrantID == "laptop-web" &&
			f.Target == server.Listener.Addr().String() && f.Address == f.Target && f.Connected && f.Code == "ok" && f.Decision == "granted" &&
			f.BytesUp > uint64(len(body)) && f.BytesDown > 64 && f.EndedAt.After(f.OpenedAt)
	})
	r.recorded("refused", func(f adminapi.FlowRecord) bool {
		return f.Code == "refused" && f.Decision == "no_resource" && !f.Connected && f.Address == "" && f.ResourceID == ""
	})

	// By a label, and gone with it.
	require.NoError(t, r.api.DeleteGrant(t.Context(), "laptop-web"))
	r.eventuallyRefused(socks)
	r.grant("team-web", "label/team=dev", "resource/web")
	refused("it has no such label")
	r.cli("tunnelers", "set", "t-01", "--label", "team=dev")
	require.Equal(t, body, r.eventuallyReaches(socks))
	r.cli("tunnelers", "set", "t-01", "--unlabel", "team")
	r.eventuallyRefused(socks)
}

// recorded waits for a flow that is over.
func (r *reach) recorded(what string, is func(adminapi.FlowRecord) bool) {
	r.t.Helper()
	r.eventually(soon, "a record of a flow that was "+what, func(ctx context.Context) error {
		all, err := r.api.Flows(ctx, adminclient.FlowFilter{Tunneler: "t-01"}, 100)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(all, is) {
			return fmt.Errorf("it is none of %+v", all)
		}
		return nil
	})
}

// TestFlowsAreRecordedOnceThoughTheControllerIsKilled: what ended before, while and after it was
// away.
func TestFlowsAreRecordedOnceThoughTheControllerIsKilled(t *testing.T) {
	t.Parallel()
	r := reaching(t)
	echo := echoServer(t)
	r.resource("echo", echo)
	r.grant("g", "tunneler/t-01", "resource/echo")
	sizes := map[uint64]int{}
	carry := func(n int) {
		c := r.flow(echo) // 4 bytes each way
		_, err := c.Write(make([]byte, n))
		require.NoError(t, err)
		_, err = io.ReadFull(c, make([]byte, n))
		require.NoError(t, err)
		require.NoError(t, c.Close())
		sizes[uint64(n+4)] = 0
	}
	for n := range 10 {
		carry(100 + n)
	}
	r.Kill()
	for n := range 10 {
		carry(200 + n)
	}
	r.start()
	for n := range 10 {
		carry(300 + n)
	}
	r.eventually(soon, "all records", func(ctx context.Context) error {
		all, err := r.api.Flows(ctx, adminclient.FlowFilter{Resource: "echo", Code: "ok"}, 1000)
		if err != nil {
			return err
		}
		for size := range sizes {
			sizes[size] = 0
		}
		for _, f := range all {
			sizes[f.BytesUp]++
			require.Equal(t, f.BytesUp, f.BytesDown)
		}
		for size, n := range sizes {
			require.LessOrEqual(t, n, 1, "%d bytes twice", size)
			if n == 0 {
				return fmt.Errorf("no record of the flow with %d bytes", size)
			}
		}
		return nil
	})
}

func (r *reach) eventuallyReaches(args []string) (out string) {
	r.t.Helper()
	r.eventually(soon, "reached", func(context.Context) error {
		var code int
		if out, code = r.curl(args...); code != 0 {
			return fmt.Errorf("curl: exit %d: %s", code, out)
		}
		return nil
	})
	return out
}

func (r *reach) eventuallyRefused(args []string) {
	r.t.Helper()
	r.eventually(soon, "refused", func(context.Context) error {
		if out, code := r.curl(args...); code != 97 {
			return fmt.Errorf("curl: exit %d: %.80s", code, out)
		}
		return nil
	})
}

// TestAGrantThatIsWithdrawnEndsItsFlows within 100 ms, and those of others stay.
func TestAGrantThatIsWithdrawnEndsItsFlows(t *testing.T) {
	t.Parallel()
	r := reaching(t)
	echo := echoServer(t)
	other := echoServer(t)
	r.resource("echo", echo)
	r.resource("other", other)
	r.grant("keep", "tunneler/t-01", "resource/other")
	stays := r.flow(other)
	for i := range 5 {
		r.grant("g", "tunneler/t-01", "resource/echo")
		c := r.flow(echo)
		require.NoError(t, r.api.DeleteGrant(t.Context(), "g"))
		begin := time.Now()
		require.NoError(t, c.SetReadDeadline(begin.Add(soon)))
		_, err := c.Read(make([]byte, 1))
		require.Error(t, err)
		var late net.Error
		require.False(t, errors.As(err, &late) && late.Timeout(), "it was not ended")
		t.Logf("withdrawal %d ended the flow after %.1f ms", i+1, time.Since(begin).Seconds()*1000)
		_ = c.Close()
	}
	ping(t, stays)
}

// flow opens one through SOCKS5, when the grant is there.
func (r *reach) flow(to net.Addr) (c net.Conn) {
	r.t.Helper()
	r.eventually(soon, "a flow to "+to.String(), func(ctx context.Context) (err error) {
		c, err = socks5(ctx, r.socks, to)
		return err
	})
	r.t.Cleanup(func() { _ = c.Close() })
	ping(r.t, c)
	return c
}

func ping(t *testing.T, c net.Conn) {
	t.Helper()
	_, err := c.Write([]byte("ping"))
	require.NoError(t, err)
	got := make([]byte, 4)
	require.NoError(t, c.SetReadDeadline(time.Now().Add(soon)))
	_, err = io.ReadFull(c, got)
	require.NoError(t, err)
	require.Equal(t, "ping", string(got))
	require.NoError(t, c.SetReadDeadline(time.Time{}))
}

func echoServer(t *testing.T) net.Addr {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(c, c)
				_ = c.Close()
			}()
		}
	}()
	return l.Addr()
}

// socks5 asks for a flow to an IPv4 address.
func socks5(ctx context.Context, proxy string, to net.Addr) (net.Conn, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", proxy)
	if err != nil {
		return nil, err
	}
	host, port, _ := net.SplitHostPort(to.String())
	n, _ := strconv.Atoi(port)
	request := append([]byte{5, 1, 0, 5, 1, 0, 1}, net.ParseIP(host).To4()...)
	request = append(request, byte(n>>8), byte(n))
	answer := make([]byte, 2+10)
	if _, err = c.Write(request); err == nil {
		_, err = io.ReadFull(c, answer)
	}
	if err == nil && answer[3] != 0 {
		err = fmt.Errorf("SOCKS5 answers %d", answer[3])
	}
	if err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}
