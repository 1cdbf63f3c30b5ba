package hostprogram_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/controlclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/health"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hostprogram"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func publish(t *testing.T) (*hostprogram.Publisher, *health.Server) {
	t.Helper()
	s, err := health.New(health.Config{Listen: "127.0.0.1:0", Log: zap.NewNop()})
	require.NoError(t, err)
	p := hostprogram.Publish(s, hostprogram.Document{Program: "grpcconnector", ID: "gw"})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() { cancel(); require.NoError(t, <-done) })
	return p, s
}

func TestADocumentIsThereBeforeTheIdentity(t *testing.T) {
	t.Parallel()
	_, s := publish(t)
	s.Checks().Set("identity", errors.New("waiting for the first X509-SVID"))
	d, err := hostprogram.Fetch(t.Context(), s.Addr().String(), "grpcconnector")
	require.NoError(t, err)
	require.False(t, d.Ready)
	require.Equal(t, "waiting for the first X509-SVID", d.Checks[0].Detail)
	require.Nil(t, d.SVID)
	require.Equal(t, os.Getpid(), d.Process.PID)
	require.Equal(t, os.Getuid(), d.Process.UID)
	require.NotEmpty(t, d.Process.Binary)
	require.WithinDuration(t, time.Now(), d.StartedAt, time.Minute)
}

func TestADocumentIsBoundedAndPrintableWhateverPeersDo(t *testing.T) {
	t.Parallel()
	p, s := publish(t)
	s.Checks().Set("identity", nil)
	hostile := "\x1b[2J" + strings.Repeat("x", 1<<16)
	p.Fill(func(d *hostprogram.Document) {
		d.Controller = hostprogram.LinkOf(controlclient.Status{Address: "10.0.0.1:8444", LastError: errors.New(hostile)})
		for i := range 5000 {
			d.Sessions = append(d.Sessions, hostprogram.Session{Peer: fmt.Sprintf("t-%d", i), Failure: hostile})
		}
		for range 1000 {
			d.BundleAuthorityIDs = append(d.BundleAuthorityIDs, strings.Repeat("a", 40))
		}
	})
	d, err := hostprogram.Fetch(t.Context(), s.Addr().String(), "grpcconnector")
	require.NoError(t, err)
	require.True(t, d.Ready)
	require.Len(t, d.Sessions, hostprogram.MaxSessions)
	require.Equal(t, 5000, d.SessionsTotal)
	require.Len(t, d.BundleAuthorityIDs, 32)
	raw, err := json.Marshal(d)
	require.NoError(t, err)
	require.Less(t, len(raw), 1<<18)
	require.NotContains(t, d.Controller.Failure+d.Sessions[0].Failure, "\x1b")
}

func TestFetchRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		reply http.HandlerFunc
		want  error
	}{
		"another program":        {say(`{"program":"grpctunneler"}`), hostprogram.ErrOther},
		"what is no document":    {say(`<html>`), hostprogram.ErrOther},
		"an empty document":      {say(`{}`), hostprogram.ErrOther},
		"a program without one":  {http.NotFound, hostprogram.ErrOther},
		"a document without end": {say(`{"program":"` + strings.Repeat("x", 2<<20)), hostprogram.ErrOther},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := httptest.NewServer(c.reply)
			t.Cleanup(s.Close)
			_, err := hostprogram.Fetch(t.Context(), s.Listener.Addr().String(), "grpcconnector")
			require.ErrorIs(t, err, c.want)
			require.Less(t, len(err.Error()), 200)
		})
	}
}

func say(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) }
}

func TestAddress(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	got, err := hostprogram.Address("127.0.0.1:9465", dir)
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1:9465", got)
	_, err = hostprogram.Address("127.0.0.1:0", dir)
	require.ErrorContains(t, err, "writes while it runs")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "run.json"), []byte(`{"health":"127.0.0.1:4711"}`), 0o600))
	got, err = hostprogram.Address("127.0.0.1:0", dir)
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1:4711", got)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "run.json"), []byte(`{`), 0o600))
	_, err = hostprogram.Address("127.0.0.1:0", dir)
	require.Error(t, err)
}
