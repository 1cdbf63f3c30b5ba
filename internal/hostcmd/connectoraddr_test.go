package hostcmd_test

import (
	"crypto/tls"
	"net"
	"os"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// answer takes connections as the holder of svid, which speaks h2 to tunnelers only.
func answer(t *testing.T, ca *mtlstest.CA, svid *x509svid.SVID) (addr string) {
	t.Helper()
	config := mtls.ServerConfig(ca.Identity(svid), mtls.Kinds(td, identity.KindTunneler))
	config.NextProtos = []string{"h2"}
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = tls.Server(c, config).HandshakeContext(t.Context())
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return l.Addr().String()
}

// TestEnrollSaysWhoAnswersAtConnectorAddr: the host is enrolled in every case.
func TestEnrollSaysWhoAnswersAtConnectorAddr(t *testing.T) {
	t.Parallel()
	const listed = "spiffe://mycorp.internal/connector/a"
	for name, c := range map[string]struct {
		at       func(t *testing.T, ca *mtlstest.CA) string
		id       string // CONNECTOR_ID
		nobody   bool   // the directory is empty
		says     string
		saysNone bool
	}{
		"a connector of the directory": {at: func(t *testing.T, ca *mtlstest.CA) string { return answer(t, ca, ca.SVID(t, listed)) }, saysNone: true},
		"an enrolled connector that it does not list": {
			at: func(t *testing.T, ca *mtlstest.CA) string {
				return answer(t, ca, ca.SVID(t, "spiffe://mycorp.internal/connector/b"))
			},
			says: "it is spiffe://mycorp.internal/connector/b: correct it in ",
		},
		"another one than CONNECTOR_ID": {
			at: func(t *testing.T, ca *mtlstest.CA) string { return answer(t, ca, ca.SVID(t, listed)) },
			id: "c", says: "it is " + listed,
		},
		"a former holder of the id": {
			at: func(t *testing.T, ca *mtlstest.CA) string {
				return answer(t, ca, ca.SVID(t, listed, mtlstest.Since(time.Now().Add(-time.Hour))))
			},
			says: "it held the id of " + listed,
		},
		"another authority": {
			at: func(t *testing.T, _ *mtlstest.CA) string {
				foreign := mtlstest.NewCA(t, td)
				return answer(t, foreign, foreign.SVID(t, listed))
			},
			says: "certificate signed by unknown authority",
		},
		"nobody":                         {at: func(*testing.T, *mtlstest.CA) string { return "127.0.0.1:1" }, says: "connection refused"},
		"somebody, and nobody is listed": {at: func(*testing.T, *mtlstest.CA) string { return "127.0.0.1:1" }, nobody: true, says: "the directory lists no connector yet"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctl := startController(t)
			if !c.nobody {
				for _, id := range []string{"a", "c"} {
					ctl.connectors = append(ctl.connectors, &zerotrustv1.DirectoryConnector{
						Id: id, SpiffeId: "spiffe://mycorp.internal/connector/" + id, SvidNotBefore: timestamppb.New(time.Now().Add(-30 * time.Minute)),
					})
				}
			}
			args, dir := enrollArgs(t, ctl)
			addr := c.at(t, ctl.ca)
			got := run(token+"\n", append(args, "--connector-addr", addr, "--connector-id", c.id)...)
			require.Zero(t, got.code, got.stderr)
			require.Contains(t, got.stdout, "enrolled spiffe://mycorp.internal/tunneler/laptop")
			text, err := os.ReadFile(dir + "/tunneler.conf")
			require.NoError(t, err)
			require.Contains(t, string(text), "CONNECTOR_ADDR="+addr+"\n")
			if c.saysNone {
				require.NotContains(t, got.stderr, "CONNECTOR_ADDR")
				return
			}
			require.Contains(t, got.stderr, "CONNECTOR_ADDR "+addr)
			require.Contains(t, got.stderr, c.says)
		})
	}
}
