package adversary_test

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll/enrolltest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/bootstrap"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hostcmd"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hostprogram"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/settings"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/hostagent"
)

// machine is an enrolled host with its files, as its agent has them.
type machine struct {
	dir hostagent.Dir
	id  identity.HostID
}

func (w *world) machine(t *testing.T) *machine {
	t.Helper()
	key := enrolltest.NewKey(t)
	got, err := w.enroll.Redeem(t.Context(), redemption(w.token(t, enroll.TokenRequest{}), key))
	require.NoError(t, err)
	m := &machine{hostagent.Dir{Root: filepath.Join(t.TempDir(), "host")}, got.HostID}
	require.NoError(t, m.dir.Create())
	der, err := x509.MarshalPKCS8PrivateKey(key.Private)
	require.NoError(t, err)
	for path, block := range map[string]*pem.Block{
		m.dir.Key(): {Type: "PRIVATE KEY", Bytes: der}, m.dir.Certificate(): {Type: "CERTIFICATE", Bytes: got.HostCertificate},
		m.dir.ControllerCA(): {Type: "CERTIFICATE", Bytes: w.ca.Certificate().Raw},
	} {
		require.NoError(t, os.WriteFile(path, pem.EncodeToMemory(block), 0o600))
	}
	require.NoError(t, m.dir.WriteHost(hostagent.Host{
		HostID: got.HostID, TrustDomain: td, ControllerAddress: w.door.Addr().String(), ControllerCAPath: m.dir.ControllerCA(), SPIREServerAddress: "203.0.113.1:8081",
	}))
	return m
}

type ran struct{ hostprogram.Settings }

// round does what the host's agent does every ten seconds.
func (m *machine) round(t *testing.T) error {
	t.Helper()
	root := &cobra.Command{Use: "grpcconnector", SilenceErrors: true, SilenceUsage: true}
	root.AddCommand(hostcmd.Commands(hostcmd.Program{Name: "grpcconnector", Kind: identity.KindConnector, Run: func() hostcmd.RunSettings {
		spec := hostprogram.Spec("/nonexistent/connector.conf")
		spec.Environ = []string{}
		return hostcmd.RunSettingsOf(settings.New(spec, ran{hostprogram.DefaultSettings("1")}), func(r ran) hostcmd.Running {
			return hostcmd.Running{Settings: r.Settings}
		})
	}})...)
	root.SetArgs([]string{"refresh-bundle", "--host-dir", m.dir.Root})
	root.SetOut(&bytes.Buffer{})
	root.SetErr(&bytes.Buffer{})
	return root.ExecuteContext(t.Context())
}

func (m *machine) certificate(t *testing.T) *x509.Certificate {
	t.Helper()
	raw, err := os.ReadFile(m.dir.Certificate())
	require.NoError(t, err)
	block, _ := pem.Decode(raw)
	cert, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	return cert
}

func (m *machine) requireTrusts(t *testing.T, want ...*x509.Certificate) {
	t.Helper()
	got, err := bootstrap.ReadAnchors(m.dir.ControllerCA())
	require.NoError(t, err)
	require.Len(t, got, len(want))
	for i := range want {
		require.True(t, want[i].Equal(got[i]), "anchor %d", i)
	}
}

// TestAHostFollowsTheReplacementOfTheBootstrapCA: it takes the second anchor from the
// first, renews its certificate with its key, and drops the first.
func TestAHostFollowsTheReplacementOfTheBootstrapCA(t *testing.T) {
	t.Parallel()
	w := newWorld(t, between{})
	m := w.machine(t)
	first, old := m.certificate(t), w.ca.Certificate()
	require.NoError(t, m.round(t))
	require.True(t, first.Equal(m.certificate(t)), "not due")

	require.NoError(t, w.ca.Prepare())
	require.NoError(t, m.round(t))
	next := w.ca.Anchors()[1]
	m.requireTrusts(t, old, next)
	require.True(t, first.Equal(m.certificate(t)), "the old CA still signs")

	require.NoError(t, w.ca.Activate())
	require.NoError(t, m.round(t))
	m.requireTrusts(t, next, old)
	require.NoError(t, m.certificate(t).CheckSignatureFrom(next))
	require.Equal(t, first.PublicKey, m.certificate(t).PublicKey)

	require.NoError(t, w.ca.Retire())
	require.NoError(t, m.round(t))
	m.requireTrusts(t, next)
	known, _, err := w.store.HostStanding(t.Context(), m.id)
	require.NoError(t, err)
	require.True(t, known)
}

// TestAHostThatMissedTheReplacementOfTheBootstrapCAGetsIn: also one that missed three.
func TestAHostThatMissedTheReplacementOfTheBootstrapCAGetsIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, between{})
	m := w.machine(t)
	for range 3 {
		require.NoError(t, w.ca.Prepare())
		require.NoError(t, w.ca.Activate())
		require.NoError(t, w.ca.Retire())
	}
	require.NoError(t, m.round(t))
	m.requireTrusts(t, w.ca.Certificate())
	require.NoError(t, m.certificate(t).CheckSignatureFrom(w.ca.Certificate()))
	require.NoError(t, m.round(t))
}

// TestARevokedHostRenewsNothing, though it holds its key and a certificate.
func TestARevokedHostRenewsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, between{})
	m := w.machine(t)
	first := m.certificate(t)
	w.revoke(t, connector)
	require.NoError(t, w.ca.Prepare())
	require.NoError(t, w.ca.Activate())
	require.NoError(t, m.round(t), "the bundle is for everybody")
	require.True(t, first.Equal(m.certificate(t)))
}
