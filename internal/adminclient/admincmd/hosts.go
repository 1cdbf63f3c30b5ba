package admincmd

import (
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
)

func hostsCommand() *cobra.Command {
	return group("hosts", "List and change hosts", func(c *connection) []*cobra.Command {
		return []*cobra.Command{listCommand(c, hosts(), "List hosts"), setCommand(c, hosts(), changeHost, false)}
	})
}

func hostTable(all []adminapi.Host, now time.Time) cli.Table {
	t := cli.Table{Header: []string{"ID", statusColumn, "LAST SEEN", "HOSTNAME", "ENROLLED", "MEMBERS", "NOTE"}}
	for _, h := range all {
		var members []string
		for _, m := range h.Members {
			if m.RevokedAt.IsZero() {
				members = append(members, m.Kind+"/"+m.ID)
			}
		}
		note := "-"
		switch {
		case !h.RevokedAt.IsZero():
			note = revokedNote(h.Status, h.RevokedAt, now)
		case !h.ClonedAt.IsZero():
			note = "cloned: two machines use its key"
		case !h.ContestedAt.IsZero():
			note = "contested: a second key tried its token"
		}
		t.Rows = append(t.Rows, []string{
			h.ID, shownStatus(h.Status, h.RevokedAt), relative(h.LastSeen, now), reported(h.Hostname), relative(h.EnrolledAt, now),
			orDefault(strings.Join(members, " "), "-"), note,
		})
	}
	return t
}
