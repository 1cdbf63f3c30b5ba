package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/mattn/go-isatty"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world"
)

// history counts what changed since the demo began to look.
type history struct {
	serial  string
	swaps   int // SVID rotations seen
	since   time.Time
	reopens int // streams that were opened anew
}

func (h *history) note(s world.Seen) {
	if h.serial != "" && s.SVID.Serial != "" && s.SVID.Serial != h.serial {
		h.swaps++
	}
	if !h.since.IsZero() && !s.Since.Equal(h.since) {
		h.reopens++
	}
	h.serial, h.since = s.SVID.Serial, s.Since
}

// show keeps the table on screen until ctx ends. On anything but a terminal it
// prints a new table every ten seconds.
func (d *demo) show(ctx context.Context) error {
	live := isatty.IsTerminal(os.Stdout.Fd())
	every := time.Second
	if !live {
		every = 10 * time.Second
	}
	api := d.controller.Client()
	hosts := []*world.Host{d.connector, d.tunneler}
	seen := make([]history, len(hosts))
	granted := true
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		var rows [][]string
		for i, h := range hosts {
			s, err := h.Seen(ctx, api)
			if err != nil && ctx.Err() == nil {
				s.Status = "UNKNOWN"
			}
			seen[i].note(s)
			rows = append(rows, row(h, s, seen[i]))
		}
		if now, err := d.inForce(ctx, api); err == nil {
			granted = now
		}
		if ctx.Err() == nil {
			d.draw(os.Stdout, live, rows, granted)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			fmt.Println("\nstopping")
			return nil
		}
	}
}

func row(h *world.Host, s world.Seen, past history) []string {
	if s.Status != adminapi.Online {
		return []string{h.Kind, h.ID, s.Status, "-", "-", "-", "-"}
	}
	serial := s.SVID.Serial
	if len(serial) > 12 {
		serial = serial[:12]
	}
	return []string{
		h.Kind, h.ID, s.Status, time.Since(s.Since).Truncate(time.Second).String(), serial,
		time.Until(s.SVID.NotAfter).Truncate(time.Second).String(), fmt.Sprintf("%d", past.swaps),
	}
}

// draw writes the table and what one can do next.
func (d *demo) draw(w io.Writer, live bool, rows [][]string, granted bool) {
	var b strings.Builder
	if live {
		b.WriteString("\x1b[H\x1b[2J") // home and clear
	}
	b.WriteString("Watch the SVID serials change while the streams stay open.\n\n")
	table := cli.Table{Header: []string{"KIND", "ID", "STATUS", "STREAM AGE", "SVID SERIAL", "TIME LEFT", "ROTATIONS SEEN"}, Rows: rows}
	_ = table.Write(&b)
	fmt.Fprintf(&b, "\nPaste this in another terminal. It goes through the tunneler and the connector to a web server:\n\n  %s\n\n", strings.Join(d.curlArgs(), " "))
	if granted {
		b.WriteString("Then open Grants in the dashboard, click Withdraw at " + grantID + ", and paste it again: it is refused.\n")
	} else {
		b.WriteString("The grant is withdrawn, so it is refused now. Under Grants in the dashboard, Create grant lets " + d.tunneler.ID + " reach " + resourceID + " again.\n")
	}
	dashboard := d.controller.SetupLink() // until there is an owner
	if dashboard == "" {
		dashboard = "http://" + d.controller.Run.Admin
	}
	fmt.Fprintf(&b, `
dashboard   %s
admin API   curl --unix-socket %s http://localhost/api/admin/connectors
try         %s/grpccontroller connectors list --data-dir %s
logs        %s
stop        Ctrl-C (removes everything)
`, dashboard, d.controller.Run.AdminSocket, d.bin, d.controller.Dir, d.dir)
	_, _ = io.WriteString(w, b.String())
}
