package attention

import (
	"fmt"
	"strings"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
)

// marks are those of a member's host.
type marks struct{ contested, cloned bool }

// ofConnector is what is to say of a connector.
func ofConnector(m fleet.Connector, lists *fleet.Lists) (out []Item) {
	if m.Live() && m.Presence.Refusal != "" && m.Presence.Status == presence.Online {
		out = append(out, Item{
			Kind: Refusing, Severity: Critical, Subject: m.String(), Since: m.Presence.Since, state: string(m.HostID) + m.Presence.Refusal,
			Found: "It refuses the policy of this controller: " + m.Presence.Refusal,
			Do: "If this controller was restored from a backup or installed anew, stop it, run `grpccontroller recovery start` with the recovery key and start it; " +
				"without the key, run `grpcconnector witness reset --yes` on its host as root. " +
				"If it was not, somebody may have changed its database: investigate that first.",
		})
	}
	return append(out, ofMember(m.Member, m.Presence, marks{m.Contested, m.Clone != nil}, lists)...)
}

// ofMember is what is to say of any member and its host.
func ofMember(m fleet.Member, p presence.State, on marks, lists *fleet.Lists) (out []Item) {
	if !m.Live() {
		return nil
	}
	host, _ := lists.Host(m.HostID)
	if p.Outdated != "" {
		out = append(out, Item{
			Kind: Outdated, Severity: Warning, Subject: m.String(), state: string(m.HostID) + p.Outdated,
			Found: "This controller refuses it: " + p.Outdated + ".",
			Do:    "Upgrade the program on its host, or this controller if that is the older one. It comes back by itself.",
		})
	}
	if on.cloned {
		out = append(out, Item{
			Kind: Cloned, Severity: Critical, Subject: m.String(), Since: host.ClonedAt, state: string(m.HostID),
			Found: "Two machines use the key of its host.", Do: "Revoke it and enroll the right host again.",
		})
	}
	if on.contested {
		out = append(out, Item{
			Kind: Contested, Severity: Critical, Subject: m.String(), Since: host.ContestedAt, state: string(m.HostID),
			Found: "A second key tried the enrollment token of its host.", Do: "If you are not sure which host has it, revoke it and enroll again.",
		})
	}
	return out
}

const (
	// awayFor is how long a connector may be OFFLINE before somebody has to look: a
	// restart of it, or of the controller, is over by then.
	awayFor = 2 * time.Minute
	// named is how many of them an item names.
	named = 3
)

// ofOffline is one item for all connectors that are OFFLINE. Tunnelers are not in it:
// they are on laptops, which sleep.
func ofOffline(lists *fleet.Lists, now time.Time) []Item {
	total, last := lists.OfflineSince(now.Add(-awayFor), named)
	if total == 0 {
		return nil
	}
	newest := last[0]
	names := make([]string, len(last))
	for i, c := range last {
		names[i] = c.ID
	}
	found := fmt.Sprintf("%d connectors are OFFLINE, the last ones are %s.", total, strings.Join(names, ", "))
	switch {
	case total == 1:
		found = fmt.Sprintf("The connector %s is OFFLINE.", names[0])
	case total <= len(names):
		found = fmt.Sprintf("%d connectors are OFFLINE: %s.", total, strings.Join(names, ", "))
	}
	since := newest.LastSeenAt
	if since.IsZero() {
		since = newest.EnrolledAt
	}
	return []Item{{
		Kind: Offline, Severity: Warning, Since: since, state: newest.ID + string(newest.HostID) + since.UTC().Format(time.RFC3339),
		Found: found, Do: "Run `grpcconnector doctor` on the host. Revoke a connector that will not come back.",
	}}
}
