package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world"
)

// onScreen is what the host's screen says.
type onScreen struct {
	Event       string `json:"event"`
	Code        string `json:"code"`
	Fingerprint string `json:"fingerprint"`
}

// lastEvent is the newest of these events in the output of a command.
func lastEvent(p *world.Process, event string) (out onScreen, err error) {
	text, err := os.ReadFile(p.Log)
	if err != nil {
		return out, err
	}
	err = errors.New("not shown yet: " + event)
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		var e onScreen
		if json.Unmarshal(lines.Bytes(), &e) == nil && e.Event == event {
			out, err = e, nil
		}
	}
	return out, err
}

// asks starts enroll --request and returns it with what it shows.
func (s *system) asks(h *world.Host) (*world.Process, onScreen) {
	s.t.Helper()
	spec, err := h.EnrollSpec("--request", "-o", "json")
	require.NoError(s.t, err)
	p, err := world.Start(spec)
	require.NoError(s.t, err)
	s.Keep(p)
	var shown onScreen
	s.eventually(soon, h.ID+" asks", func(context.Context) (err error) { shown, err = lastEvent(p, "pending"); return err })
	return p, shown
}

func (s *system) pending() adminapi.Request {
	s.t.Helper()
	all, err := s.api.Requests(s.t.Context(), "pending")
	require.NoError(s.t, err)
	require.Len(s.t, all, 1)
	return all[0]
}

func TestAHostIsLetInByAnOperatorAndNoSecret(t *testing.T) {
	t.Parallel()
	s := newWorld(t)
	h := s.host("a", "connector", "asked-01")
	enrolling, shown := s.asks(h)
	seen := s.pending()
	require.Equal(t, shown.Code, seen.Code)
	require.Equal(t, "asked-01", seen.ID)
	require.Equal(t, "127.0.0.1", seen.Source)
	require.True(t, strings.HasPrefix(shown.Fingerprint, seen.FingerprintStart+"-"), "both screens show the same")

	// The controller is killed while the host waits. It comes back with another
	// listener certificate, so the host shows another fingerprint, and goes on.
	s.Kill()
	s.start()
	s.eventually(soon, "the host asks again", func(context.Context) error {
		again, err := lastEvent(enrolling, "pending")
		if err == nil && again.Fingerprint == shown.Fingerprint {
			err = errors.New("it shows the old fingerprint")
		}
		if err == nil {
			shown = again
		}
		return err
	})
	seen = s.pending()
	require.True(t, strings.HasPrefix(shown.Fingerprint, seen.FingerprintStart+"-"))

	_, err := s.api.ApproveRequest(t.Context(), seen.EnrollmentRequestID, adminapi.Approval{Fingerprint: seen.FingerprintStart + "-0000"})
	var refused *adminclient.Error
	require.ErrorAs(t, err, &refused)
	require.Equal(t, adminapi.TypeFingerprint, refused.Type)
	s.cli("requests", "approve", shown.Code, "--fingerprint", shown.Fingerprint)
	s.eventually(soon, "enrolled", func(context.Context) error { _, err := lastEvent(enrolling, "enrolled"); return err })
	<-enrolling.Done()
	require.NoError(t, h.Start())
	s.online(h)
	all, err := s.api.Requests(t.Context(), "enrolled")
	require.NoError(t, err)
	require.Len(t, all, 1)
	require.NotEmpty(t, all[0].HostID)

	denied, shown := s.asks(s.host("b", "tunneler", "asked-02"))
	s.cli("requests", "deny", shown.Code, "--yes")
	<-denied.Done()
	code, err := denied.Stop()
	require.NoError(t, err)
	require.Equal(t, 3, code)
}

func TestASealedTokenAndAClaimLinkEnroll(t *testing.T) {
	t.Parallel()
	s := newWorld(t)
	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	block, err := ssh.MarshalPrivateKey(private, "")
	require.NoError(t, err)
	key := filepath.Join(s.dir, "ssh_host_ed25519_key")
	require.NoError(t, os.WriteFile(key, pem.EncodeToMemory(block), 0o600))
	signer, err := ssh.NewSignerFromKey(private)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(key+".pub", ssh.MarshalAuthorizedKey(signer.PublicKey()), 0o600))

	sealed := s.host("a", "connector", "sealed-01")
	text := s.cli("token", "create", "--kind", "connector", "--id", "sealed-01", "--seal-to", key+".pub", "--quiet")
	require.NotContains(t, text, "ztc_")
	spec, err := sealed.EnrollSpec("--sealed", "-", "--identity", key)
	require.NoError(t, err)
	r, err := world.Run(t.Context(), spec, text)
	require.NoError(t, err)
	require.Zero(t, r.Code, r.Stderr)
	require.NoError(t, sealed.Start())
	s.online(sealed)

	claimed := s.host("b", "tunneler", "claimed-01")
	link := strings.TrimSpace(s.cli("token", "create", "--kind", "tunneler", "--id", "claimed-01", "--claim", "--quiet"))
	_, code, _ := strings.Cut(link, "/claim#")
	s.secrets = append(s.secrets, code)
	got, err := s.api.OpenClaim(t.Context(), code)
	require.NoError(t, err)
	s.secrets = append(s.secrets, got.Token)
	requireNowhere(t, s.Dir, code, got.Token)
	require.Zero(t, s.try(claimed, got.Token).Code)
	require.NoError(t, claimed.Start())
	s.online(claimed)

	_, err = s.api.OpenClaim(t.Context(), code)
	require.ErrorContains(t, err, "this link is not valid")
	require.Contains(t, s.cli("token", "list"), "OPENED TWICE")
	require.Contains(t, s.cli("tunnelers", "list"), "contested")
}
