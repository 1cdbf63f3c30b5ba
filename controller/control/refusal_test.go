package control_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
)

// TestAConnectorSaysThatItRefusesTheController: what it says is shown to people, so it
// is clipped and cannot draw on a terminal.
func TestAConnectorSaysThatItRefusesTheController(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.member(t, connector("c-01"))
	s := w.open(t, connector("c-01"))
	s.say(hello("c-01"))
	revision := s.policy(t).GetRevision()
	says := func(refusal string) {
		beat := heartbeat("c-01", revision)
		beat.GetHeartbeat().Refusal = refusal
		s.say(beat)
	}
	shown := func() string { return w.roster.Connector("c-01", time.Time{}).Refusal }

	says("the audit log is another one")
	eventually(t, "the refusal", func() bool { return shown() == "the audit log is another one" })
	says("\x1b[2Jgone" + strings.Repeat("a", 1000))
	eventually(t, "the clipped refusal", func() bool { return strings.HasPrefix(shown(), "[2Jgone") })
	require.LessOrEqual(t, len(shown()), wire.MaxReason)
	says("")
	eventually(t, "no refusal", func() bool { return shown() == "" })
}
