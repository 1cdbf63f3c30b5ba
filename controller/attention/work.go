package attention

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/rotation"
)

// approvals is one item for all hosts that wait.
func (b *Board) approvals(ctx context.Context, now time.Time) ([]Item, error) {
	all, err := b.cfg.Requests.Requests(ctx)
	if err != nil {
		return nil, err
	}
	var waiting []string
	var oldest time.Time
	for _, r := range all {
		if r.State(now) != enroll.RequestPending {
			continue
		}
		waiting = append(waiting, r.ID)
		if oldest.IsZero() || r.CreatedAt.Before(oldest) {
			oldest = r.CreatedAt
		}
	}
	if len(waiting) == 0 {
		return nil, nil
	}
	found := "A host waits for approval."
	if len(waiting) > 1 {
		found = fmt.Sprintf("%d hosts wait for approval.", len(waiting))
	}
	return []Item{{
		Kind: Approvals, Severity: Warning, Since: oldest, state: strings.Join(waiting, " "),
		Found: found, Do: "Compare the code and the fingerprint with the screen of the host, then approve or deny it.",
	}}, nil
}

// heldUp is how long a gate may be closed before somebody has to look: two rounds of
// each host, and the restart of its agent.
const heldUp = time.Minute

// rotation is a rotation of the CA that paused, or that peers hold up.
func (b *Board) rotation(ctx context.Context, now time.Time) ([]Item, error) {
	r, err := b.cfg.Rotations.Unfinished(ctx)
	if err != nil || r == nil {
		return nil, err
	}
	it := Item{Kind: Rotation, Severity: Warning, Since: r.PhaseSince, state: r.ID + string(r.Phase)}
	if r.State == rotation.Paused {
		it.Severity, it.state = Critical, it.state+r.Reason
		it.Found = fmt.Sprintf("The rotation of the CA stopped in the phase %s: %s.", r.Phase, strings.TrimSuffix(r.Reason, "."))
		it.Do = "Mend the reason, then resume the rotation or abort it."
		return []Item{it}, nil
	}
	if now.Sub(r.PhaseSince) <= heldUp {
		return nil, nil
	}
	report, err := b.cfg.Rotations.Report(ctx)
	if err != nil {
		return nil, err
	}
	g := report.Gate
	if g == nil || g.Open() {
		return nil, nil
	}
	it.Found = fmt.Sprintf("The rotation of the CA (%s) waits for %d of %d, among them %s: %s.",
		r.Phase, len(g.Holdouts), g.Total, g.Holdouts[0].Name, g.Holdouts[0].Why)
	it.Do = "Bring them back, revoke them, or set a deadline after which the rotation continues without them."
	return []Item{it}, nil
}

// bootstrapNotice is how long before its end the bootstrap CA has to be replaced.
const bootstrapNotice = 365 * 24 * time.Hour

// bootstrap is a replacement of the bootstrap CA that hosts hold up, or a CA that ends.
func (b *Board) bootstrap(ctx context.Context, now time.Time) ([]Item, error) {
	r, err := b.cfg.Bootstraps.Report(ctx)
	if err != nil {
		return nil, err
	}
	if rec := r.Record; rec != nil && !rec.Finished() {
		g := r.Gate
		if g == nil || len(g.Holdouts) == 0 || now.Sub(rec.PhaseAt) <= heldUp {
			return nil, nil
		}
		return []Item{{
			Kind: Bootstrap, Severity: Warning, Since: rec.PhaseAt, state: string(rec.Phase) + rec.PhaseAt.UTC().Format(time.RFC3339),
			Found: fmt.Sprintf("The replacement of the bootstrap CA (%s) waits for %d of %d hosts, among them %s: %s.", rec.Phase, len(g.Holdouts), g.Total, g.Holdouts[0].Name, g.Holdouts[0].Why),
			Do:    "Look at these hosts with `grpccontroller ca bootstrap status`; one that cannot be helped now can be revoked, or gets in later by itself.",
		}}, nil
	}
	if len(r.Anchors) == 0 {
		return nil, nil
	}
	return ends(Item{Kind: Bootstrap, Do: "Replace it: `grpccontroller ca bootstrap rotate`."}, "The bootstrap CA", r.Anchors[0].NotAfter, bootstrapNotice, now), nil
}

// certificateNotice is how long before its end the dashboard's certificate has to be
// renewed; whoever renews automatically has done so by then.
const certificateNotice = 14 * 24 * time.Hour

// certificate is that of the admin listener when it ends.
func (b *Board) certificate(now time.Time) []Item {
	if b.cfg.Certificate == nil {
		return nil
	}
	cert := b.cfg.Certificate()
	if cert == nil {
		return nil
	}
	do := "Put a new pair of files in the place of admin.tls_cert and admin.tls_key: they are read within 10 seconds."
	return ends(Item{Kind: Certificate, Do: do}, "The certificate of this dashboard", cert.NotAfter, certificateNotice, now)
}

// ends completes an item about something that ends within notice; it is critical once it
// has ended, and then another item.
func ends(it Item, what string, end time.Time, notice time.Duration, now time.Time) []Item {
	if end.Sub(now) >= notice {
		return nil
	}
	day := end.UTC().Format(time.DateOnly)
	it.Severity, it.Found, it.state = Warning, what+" expires on "+day+".", day
	if !now.Before(end) {
		it.Severity, it.Found, it.state = Critical, what+" expired on "+day+".", day+" expired"
	}
	return []Item{it}
}

// stuckFor is how long events may wait for a receiver before somebody has to look.
const stuckFor = time.Minute

// exports are the receivers of the audit log that take nothing.
func (b *Board) exports(now time.Time) (out []Item) {
	if b.cfg.Exports == nil {
		return nil
	}
	for _, s := range b.cfg.Exports() {
		if s.WaitingSince.IsZero() || now.Sub(s.WaitingSince) < stuckFor {
			continue
		}
		why := "it does not answer"
		if s.Err != nil {
			why = s.Err.Error()
		}
		out = append(out, Item{
			Kind: Export, Severity: Warning, Subject: s.Sink, Since: s.WaitingSince, state: s.WaitingSince.UTC().Format(time.RFC3339),
			Found: "The receiver of the audit log \"" + s.Sink + "\" takes no events: " + why + ".",
			Do:    "Repair the receiver. The events wait in the database, and nothing is lost.",
		})
	}
	return out
}

// recovery says that no recovery key was made.
func (b *Board) recovery() []Item {
	if b.cfg.RecoveryKey == nil || b.cfg.RecoveryKey() != "" {
		return nil
	}
	return []Item{{
		Kind: Recovery, Severity: Warning,
		Found: "There is no recovery key: after a restore, hosts would follow this controller only when root resets each of them.",
		Do:    "Make one on the controller's host with `grpccontroller recovery init`, and keep it away from there.",
	}}
}
