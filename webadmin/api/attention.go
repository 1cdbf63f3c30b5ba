package api

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/anchors"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
)

// shownAttention is how many items GET /status shows.
const shownAttention = 20

// attention is what an operator has to look into.
type attention []adminapi.Attention

// connector adds what is to say of a connector.
func (a *attention) connector(m fleet.Connector) {
	if m.Live() && m.Presence.Refusal != "" && statusOf(m.Presence) == presence.Online {
		*a = append(*a, adminapi.Attention{
			Kind: adminapi.AttentionRefusing, Member: m.String(),
			Found: "It refuses the policy of this controller: " + m.Presence.Refusal,
			Do: "If this controller was restored from a backup or installed anew, stop it, run `grpccontroller recovery start` with the recovery key and start it; " +
				"without the key, run `grpcconnector witness reset --yes` on its host as root. " +
				"If it was not, somebody may have changed its database: investigate that first.",
		})
	}
	a.outdated(m.Member, m.Presence)
	a.marked(m.Member, marks{m.Contested, m.Clone})
}

// tunneler adds what is to say of a tunneler.
func (a *attention) tunneler(m fleet.Tunneler) {
	a.outdated(m.Member, m.Presence)
	a.marked(m.Member, marks{m.Contested, m.Clone})
}

// outdated adds a member that speaks another protocol than this controller.
func (a *attention) outdated(m fleet.Member, p presence.State) {
	if m.Live() && p.Outdated != "" {
		*a = append(*a, adminapi.Attention{
			Kind: adminapi.AttentionOutdated, Member: m.String(),
			Found: "This controller refuses it: " + p.Outdated + ".",
			Do:    "Upgrade the program on its host, or this controller if that is the older one. It comes back by itself.",
		})
	}
}

// marked adds what is to say of the host of a member.
func (a *attention) marked(m fleet.Member, marks marks) {
	if !m.Live() {
		return
	}
	if marks.clone != nil {
		*a = append(*a, adminapi.Attention{
			Kind: adminapi.AttentionCloned, Member: m.String(),
			Found: "Two machines use the key of its host.", Do: "Revoke it and enroll the right host again.",
		})
	}
	if marks.contested {
		*a = append(*a, adminapi.Attention{
			Kind: adminapi.AttentionContested, Member: m.String(),
			Found: "A second key tried the enrollment token of its host.", Do: "If you are not sure which host has it, revoke it and enroll again.",
		})
	}
}

// What an operator is told of the bootstrap CA.
const (
	// bootstrapPatience is how long a gate of its replacement may be closed: two rounds
	// of each host, and the restart of its agent.
	bootstrapPatience = time.Minute
	// bootstrapNotice is how long before its end it has to be replaced.
	bootstrapNotice = 365 * 24 * time.Hour
)

// bootstrap notes a replacement of the bootstrap CA that hosts hold up, and a CA that
// ends.
func (a *attention) bootstrap(r anchors.Report, now time.Time) {
	if rec := r.Record; rec != nil && !rec.Finished() {
		if g := r.Gate; g != nil && len(g.Holdouts) > 0 && now.Sub(rec.PhaseAt) > bootstrapPatience {
			*a = append(*a, adminapi.Attention{
				Kind: adminapi.AttentionBootstrap, Found: fmt.Sprintf("The replacement of the bootstrap CA (%s) waits for %d of %d hosts, among them %s: %s.", rec.Phase, len(g.Holdouts), g.Total, g.Holdouts[0].Name, g.Holdouts[0].Why),
				Do: "Look at these hosts with `grpccontroller ca bootstrap status`; one that cannot be helped now can be revoked, or gets in later by itself.",
			})
		}
		return
	}
	if len(r.Anchors) > 0 && r.Anchors[0].NotAfter.Sub(now) < bootstrapNotice {
		*a = append(*a, adminapi.Attention{
			Kind: adminapi.AttentionBootstrap, Found: "The bootstrap CA expires on " + r.Anchors[0].NotAfter.UTC().Format("2006-01-02") + ".",
			Do: "Replace it: `grpccontroller ca bootstrap rotate`.",
		})
	}
}

// recovery notes that no recovery key was made.
func (a *attention) recovery(publicHalf string) {
	if publicHalf == "" {
		*a = append(*a, adminapi.Attention{
			Kind: adminapi.AttentionRecovery, Found: "There is no recovery key: after a restore, hosts would follow this controller only when root resets each of them.",
			Do: "Make one on the controller's host with `grpccontroller recovery init`, and keep it away from there.",
		})
	}
}

// first are the items that are shown, refusing connectors before the others.
func (a attention) first() []adminapi.Attention {
	rank := map[string]int{adminapi.AttentionOutdated: 1, adminapi.AttentionCloned: 2, adminapi.AttentionContested: 3, adminapi.AttentionRecovery: 4}
	sorted := slices.Clone(a)
	slices.SortStableFunc(sorted, func(x, y adminapi.Attention) int {
		return cmp.Or(cmp.Compare(rank[x.Kind], rank[y.Kind]), cmp.Compare(x.Member, y.Member))
	})
	return append([]adminapi.Attention{}, sorted[:min(len(sorted), shownAttention)]...)
}
