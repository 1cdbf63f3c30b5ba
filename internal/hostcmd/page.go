package hostcmd

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/health"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hostprogram"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// sessionsShown is how many sessions a page has room for.
const sessionsShown = 20

// page is one page for a person.
type page struct {
	paint cli.Paint
	now   time.Time
	text  strings.Builder
}

func (p *page) line(name, format string, args ...any) {
	fmt.Fprintf(&p.text, "  %s %s\n", p.paint.Dim(fmt.Sprintf("%-11s", name)), health.OneLine(fmt.Sprintf(format, args...)))
}

// page prints the status. Whatever a peer wrote is one printable line by then.
func (st hostStatus) page(w io.Writer, p Program, now time.Time) error {
	out := &page{paint: cli.NewPaint(w), now: now}
	if d := st.Program; d != nil {
		state := out.paint.Good("ready")
		if !d.Ready {
			state = out.paint.Bad("not ready")
		}
		fmt.Fprintf(&out.text, "%s  %s\n", out.paint.Bold(p.Name+" "+health.OneLine(d.ID)), state)
		out.line("identity", "%s", d.SPIFFEID)
		out.host(st)
		out.program(p, *d)
		out.sessions(*d)
		out.outage(*d)
		out.checks(d.Checks)
	} else {
		fmt.Fprintf(&out.text, "%s  %s\n", out.paint.Bold(p.Name), out.paint.Bad("not running"))
		out.host(st)
	}
	_, err := io.WriteString(w, out.text.String())
	return err
}

func (p *page) host(st hostStatus) {
	id := st.HostID
	if id == "" {
		id = "(visible to users who can read the host's files)"
	}
	agent := "agent up"
	if !st.Agent.Up {
		agent = "agent down: " + st.Agent.Failure
	}
	p.line("host", "%s, %s", id, agent)
}

func (p *page) program(of Program, d hostprogram.Document) {
	where := fmt.Sprintf("pid %d", d.Process.PID)
	if d.Process.Unit != "" {
		where += ", " + d.Process.Unit
	}
	p.line("version", "%s, up for %s (%s)", d.Version, p.ago(d.StartedAt), where)
	if d.Listen != "" {
		p.line("listens at", "%s", d.Listen)
	}
	if d.SVID != nil {
		p.line("SVID", "%s left, until %s; serial %s, authority %.16s", p.left(d.SVID.NotAfter), clock(d.SVID.NotAfter), d.SVID.Serial, d.SVID.AuthorityID)
	}
	if n := len(d.BundleAuthorityIDs); n > 0 {
		p.line("bundle", "%d: %s", n, strings.Join(shortened(d.BundleAuthorityIDs), ", "))
	}
	if l := d.Controller; l != nil {
		p.line("controller", "%s", p.link(*l))
	}
	switch {
	case d.Policy != nil:
		p.line("policy", "revision %d, confirmed %s ago, usable until %s", d.Policy.Revision, p.ago(d.Policy.ConfirmedAt), clock(d.Policy.UsableUntil))
	case d.Directory != nil:
		from := "from the controller"
		if d.Directory.FromDisk {
			from = "stored on disk by an earlier run"
		}
		p.line("directory", "revision %d, %s", d.Directory.Revision, from)
	case of.Kind == identity.KindConnector:
		p.line("policy", "none yet")
	default:
		p.line("directory", "none yet")
	}
}

func (p *page) link(l hostprogram.Link) string {
	if l.Connected {
		text := fmt.Sprintf("connected to %s since %s (%s)", l.Address, clock(l.Since), p.ago(l.Since))
		if !l.HeartbeatAt.IsZero() {
			text += fmt.Sprintf(", last heartbeat %s ago", p.ago(l.HeartbeatAt))
		}
		return text
	}
	if l.Failure == "" && l.Address == "" {
		return "not connected, has no address yet: is it running?"
	}
	if l.Failure == "" {
		return "connecting to " + l.Address
	}
	return fmt.Sprintf("not connected for %s, last tried %s: %s", p.ago(l.Since), l.Address, l.Failure)
}

func (p *page) sessions(d hostprogram.Document) {
	p.line("sessions", "%d", d.SessionsTotal)
	for i, s := range d.Sessions {
		if i == sessionsShown {
			p.line("", "and %d more, see -o json", d.SessionsTotal-i)
			return
		}
		p.line("", "%s %s", s.Peer, p.link(hostprogram.Link{Connected: s.Connected, Address: s.Address, Since: s.Since, Failure: s.Failure}))
	}
}

// outage is for how long nothing would happen.
func (p *page) outage(d hostprogram.Document) {
	var parts []string
	if t := d.Outage.WithoutController; !t.IsZero() {
		parts = append(parts, "without a controller sessions continue for "+p.left(t))
	}
	if t := d.Outage.WithoutSPIRE; !t.IsZero() {
		parts = append(parts, fmt.Sprintf("without SPIRE for %s", p.left(t)))
	}
	if len(parts) > 0 {
		p.line("outage", "%s", strings.Join(parts, "; "))
	}
}

func (p *page) checks(all []health.Check) {
	p.text.WriteString("checks\n")
	width := 0
	for _, c := range all {
		width = max(width, len(c.Name))
	}
	for _, c := range all {
		mark := p.paint.Good("ok   ")
		switch {
		case c.Failing():
			mark = p.paint.Bad("FAILS")
		case c.Degraded:
			mark = p.paint.Warn("WARNS")
		}
		fmt.Fprintf(&p.text, "  %s %-*s  %s\n", mark, width, health.OneLine(c.Name), health.OneLine(c.Detail))
	}
}

func (p *page) ago(t time.Time) string  { return short(p.now.Sub(t)) }
func (p *page) left(t time.Time) string { return short(t.Sub(p.now)) }

// short is a length of time for people: the two units that matter.
func short(d time.Duration) string {
	d = max(d, 0).Round(time.Second)
	switch days := d / (24 * time.Hour); {
	case days > 0:
		return fmt.Sprintf("%dd%dh", days, (d%(24*time.Hour))/time.Hour)
	case d >= time.Hour:
		return fmt.Sprintf("%dh%dm", d/time.Hour, (d%time.Hour)/time.Minute)
	default:
		return health.Span(d)
	}
}

// clock is a moment as the checks and the log write it.
func clock(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func shortened(ids []string) []string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = id[:min(len(id), 16)]
	}
	return out
}
