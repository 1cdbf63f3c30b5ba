package herd_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/bulk"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world/worldtest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

const (
	// few connectors without agents; the hosts beside them have real ones.
	few = 30
	// watched is how long the log is read. A hundred hosts may fill ten lines a minute.
	watched = 20 * time.Second
)

// TestAControllerAtWorkIsQuiet counts the lines of a controller with thirty connectors
// and two hosts whose agents ask its SPIRE server every two seconds, while every SVID is
// renewed and proven several times. A line that comes with a request, a proof or a
// heartbeat would be there dozens of times.
func TestAControllerAtWorkIsQuiet(t *testing.T) {
	c := worldtest.New(t, "--svid-ttl-connector", "30s", "--svid-ttl-tunneler", "30s")
	bulk.Enroll(t, c.Controller, identity.KindConnector, few)
	c.Connect()
	startAll(t, c.Controller, few)
	c.Join("a", "connector", "real-c")
	c.Join("b", "tunneler", "real-t")
	require.NoError(t, world.Eventually(t.Context(), 90*time.Second, "all ONLINE", func(ctx context.Context) error {
		s, err := c.API.Status(ctx)
		if err == nil && (s.Connectors.Online != few+1 || s.Tunnelers.Online != 1) {
			err = fmt.Errorf("ONLINE: connectors %d, tunnelers %d", s.Connectors.Online, s.Tunnelers.Online)
		}
		return err
	}))

	from := size(t, c.Log)
	select {
	case <-time.After(watched): // a count over a time
	case <-t.Context().Done():
	}
	lines := linesFrom(t, c.Log, from)
	most := int(10*watched.Minutes()) - 1 // 10 a minute are for a hundred hosts
	require.LessOrEqual(t, len(lines), most, "%s", strings.Join(lines, "\n"))
	for _, line := range linesFrom(t, c.Log, 0) {
		var l struct {
			Level string `json:"level"`
		}
		require.NoError(t, json.Unmarshal([]byte(line), &l), line)
		require.NotEqual(t, "error", l.Level, "nothing is wrong: %s", line)
	}
	t.Logf("%d lines in %s\n%s", len(lines), watched, strings.Join(lines, "\n"))
}

func size(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	require.NoError(t, err)
	return info.Size()
}

func linesFrom(t *testing.T, path string, offset int64) (out []string) {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	for line := range strings.Lines(string(text[offset:])) {
		out = append(out, strings.TrimSpace(line))
	}
	return out
}
