package clients_test

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"
	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hosttest"
)

// TestServersLearnWhoseConnectionTheyGet by the PROXY protocol, as their own programs and a
// library read it. That of the next resource gets nothing that the client did not send.
func TestServersLearnWhoseConnectionTheyGet(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	nginx, haproxy := h.proxiedNginx(), h.proxiedHAProxy()
	library, plain := serve(t, sayHeader), hears(t)
	s := newSite(t)
	s.connect(1)
	ports := []string{port(t, nginx), port(t, haproxy), port(t, library)}
	_, err := s.API.CreateResource(t.Context(), adminapi.ResourceRequest{ID: "proxied", Hosts: []string{"127.0.0.1", "localhost"}, Ports: ports, ProxyProtocol: "v2"})
	require.NoError(t, err)
	s.resource("plain", plain)
	for _, id := range []string{"proxied", "plain"} {
		s.grant(id, time.Time{})
	}
	s.reached(plain)
	s.reached(library)

	fetch := func(at string) []string {
		t.Helper()
		return strings.Fields(says(t, command{argv: []string{
			"curl", "--silent", "--show-error", "--fail", "--noproxy", "", "--max-time", "60", "--proxy", "socks5h://" + s.socks, "http://" + at + "/",
		}}))
	}
	for name, at := range map[string]string{"nginx": nginx, "haproxy": haproxy} {
		got := fetch(at)
		require.Len(t, got, 5, name)
		require.Equal(t, []string{"127.0.0.1", "127.0.0.1", port(t, at), "-"}, append([]string{got[0]}, got[2:]...), "%s: from, to, and no name", name)
		s.holds(got[1])
	}
	// By its name.
	require.Equal(t, "localhost", fetch("localhost:" + port(t, haproxy))[4])
	got := strings.Fields(s.whatIsSaid(library, ""))
	require.Len(t, got, 3)
	require.Equal(t, []string{library, "spiffe://mycorp.internal/tunneler/t-01"}, got[1:])
	s.holds(port(t, got[0]))

	require.Equal(t, hex.EncodeToString([]byte("hello")), s.whatIsSaid(plain, "hello"))
	// What is changed counts for the next connection.
	off, v2 := "", "v2"
	_, err = s.API.ChangeResource(t.Context(), "plain", adminapi.ResourceChange{ProxyProtocol: &v2})
	require.NoError(t, err)
	s.says(plain, "0d0a0d0a000d0a515549540a2111")
	_, err = s.API.ChangeResource(t.Context(), "plain", adminapi.ResourceChange{ProxyProtocol: &off})
	require.NoError(t, err)
	s.says(plain, hex.EncodeToString([]byte("hello")))
}

// says waits until what a target hears begins like this.
func (s *site) says(at, want string) {
	s.t.Helper()
	s.Eventually(soon, "the change counts", func(context.Context) error {
		if got := s.whatIsSaid(at, "hello"); !strings.HasPrefix(got, want) {
			return fmt.Errorf("it hears %s", got)
		}
		return nil
	})
}

// whatIsSaid sends a text and returns what the target answers.
func (s *site) whatIsSaid(to, text string) string {
	s.t.Helper()
	c, err := s.dial(s.t.Context(), to)
	require.NoError(s.t, err)
	defer func() { _ = c.Close() }()
	_, err = io.WriteString(c, text)
	require.NoError(s.t, errors.Join(err, c.(*net.TCPConn).CloseWrite()))
	answer, err := io.ReadAll(c)
	require.NoError(s.t, err)
	return string(answer)
}

// holds requires that a port is that of a socket of the tunneler.
func (s *site) holds(local string) {
	s.t.Helper()
	var n uint16
	_, err := fmt.Sscan(local, &n)
	require.NoError(s.t, err)
	table, err := os.ReadFile("/proc/net/tcp")
	require.NoError(s.t, err)
	inodes := map[string]bool{}
	for line := range strings.Lines(string(table)) {
		if f := strings.Fields(line); strings.HasSuffix(f[1], fmt.Sprintf(":%04X", n)) {
			inodes["socket:["+f[9]+"]"] = true
		}
	}
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", s.tunneler.Program.PID()))
	require.NoError(s.t, err)
	for _, file := range files {
		if to, err := os.Readlink(file); err == nil && inodes[to] {
			return
		}
	}
	require.FailNow(s.t, "the tunneler has no socket with this port", "%s: %v", local, inodes)
}

// proxiedNginx answers with what the header says: from, to.
func (h *house) proxiedNginx() (at string) {
	h.t.Helper()
	at = hosttest.Address(h.t)
	var temp strings.Builder
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&temp, "%s_temp_path %s/proxied_%s;\n", kind, h.Path("tmp"), kind)
	}
	config := h.Write("proxied.conf", fmt.Sprintf(`daemon off; pid %s/proxied.pid; error_log stderr; worker_processes 1;
events {}
http {
  access_log off; %s
  server { listen %s proxy_protocol; return 200 "$proxy_protocol_addr $proxy_protocol_port $proxy_protocol_server_addr $proxy_protocol_server_port -\n"; }
}
`, h.Path("tmp"), temp.String(), at))
	h.Start(at, "nginx", "-e", "stderr", "-p", h.Path("."), "-c", config)
	return at
}

// proxiedHAProxy answers with what the header says: from, to, the name that was asked for.
func (h *house) proxiedHAProxy() (at string) {
	h.t.Helper()
	at = hosttest.Address(h.t)
	config := h.Write("proxied.cfg", fmt.Sprintf(`defaults
 mode http
 timeout connect 10s
 timeout client 1m
 timeout server 1m
frontend proxied
 bind %s accept-proxy
 http-request set-var(txn.name) fc_pp_authority
 http-request set-var(txn.name) str(-) unless { var(txn.name) -m found }
 http-request return status 200 content-type text/plain lf-string "%%[src] %%[src_port] %%[dst] %%[dst_port] %%[var(txn.name)]"
`, at))
	h.Start(at, "haproxy", "-f", config)
	return at
}

// sayHeader answers with what a library reads in the header: from, to, the SPIFFE ID.
func sayHeader(c net.Conn) {
	h, err := proxyproto.Read(bufio.NewReader(c))
	if err != nil {
		_, _ = fmt.Fprint(c, err)
		return
	}
	all, err := h.TLVs()
	if err != nil || len(all) != 1 || all[0].Type != 0xe5 {
		_, _ = fmt.Fprintf(c, "%v %v", all, err)
		return
	}
	_, _ = fmt.Fprintf(c, "%s %s %s", h.SourceAddr, h.DestinationAddr, all[0].Value)
}

// hears answers with all that it was sent, in hexadecimal.
func hears(t *testing.T) (at string) {
	t.Helper()
	return serve(t, func(c net.Conn) {
		all, _ := io.ReadAll(c)
		_, _ = io.WriteString(c, hex.EncodeToString(all))
	})
}
