package dashboard_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world/worldtest"
)

// longestOutage is twice what it takes on an idle machine.
const longestOutage = 20 * time.Minute

// TestOutage takes the controller away under every page of the dashboard: stopped for
// 75 s, killed, upgraded. What is asserted is in webadmin/ui/e2e/everypage.mjs.
func TestOutage(t *testing.T) {
	if !*full {
		t.Skip("takes 10 minutes: make e2e-outage; TestDashboard has a short act")
	}
	requireBrowser(t)
	w := worldtest.New(t, "--trust-domain", "mycorp.internal", "--spire-attestation-limit=false")
	other := otherBuild(t, w.Bin)
	w.Boot()
	s := newStage(t, w)
	s.other = other
	for _, h := range []struct{ kind, id string }{
		{"connector", "connector-fra-01"}, {"connector", "connector-ams-01"}, {"tunneler", "tunneler-alice"},
	} {
		s.hosts[h.id] = w.Join(h.id, h.kind, h.id)
	}
	_, err := w.Token(t.Context(), "connector", "connector-hel-01")
	require.NoError(t, err)

	runSuite(t, "e2e/everypage.mjs", longestOutage, "DASHBOARD=http://"+w.Run.Admin, "STAGE="+s.URL)
}
