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
func (b *Board) approvals(ctx context.Context, _ time.Time) ([]Item, error) {
	pending, err := b.cfg.Requests.RequestPage(ctx, enroll.RequestQuery{Sort: enroll.ByCreation, State: enroll.RequestPending, Limit: enroll.MaxPending})
	if err != nil || len(pending.Items) == 0 {
		return nil, err
	}
	waiting := make([]string, 0, len(pending.Items))
	for _, r := range pending.Items {
		waiting = append(waiting, r.ID)
	}
	oldest := pending.Items[0].CreatedAt
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

// Presented is a certificate that the dashboard presents.
type Presented struct {
	Name     string    // that it is for; empty for any
	NotAfter time.Time // zero while there is none
	// Renews says that it is renewed without anybody's help, unless that fails.
	Renews bool
	// Failure is why it is not renewed, nil while all is well; since when, and what to do.
	Failure error
	Since   time.Time
	Do      string
}

// certificateNotice is how long before its end a certificate has to be renewed by somebody.
const certificateNotice = 14 * 24 * time.Hour

// certificates are those of the admin listener that end or are not renewed.
func (b *Board) certificates(now time.Time) (out []Item) {
	if b.cfg.Certificates == nil {
		return nil
	}
	for _, c := range b.cfg.Certificates() {
		out = append(out, c.items(now)...)
	}
	return out
}

func (c Presented) items(now time.Time) []Item {
	it, what := Item{Kind: Certificate, Since: c.Since, Do: c.Do}, "The certificate of this dashboard"
	if c.Name != "" {
		what += " for " + c.Name
	}
	if c.Failure == nil && c.NotAfter.IsZero() {
		return nil // the first order is under way
	}
	if c.Failure == nil {
		notice := certificateNotice
		if c.Renews {
			notice = 0
		}
		return ends(it, what, c.NotAfter, notice, now)
	}
	day := c.NotAfter.UTC().Format(time.DateOnly)
	it.Severity, it.state = Critical, c.Name+" "+day+" not renewed"
	switch {
	case c.NotAfter.IsZero():
		it.Found = what + " could not be obtained"
	case !now.Before(c.NotAfter):
		it.Found = what + " expired on " + day + " and is not renewed"
		it.state += ", expired"
	default:
		it.Severity, it.Found = Warning, what+" expires on "+day+" and is not renewed"
	}
	it.Found += ": " + strings.TrimSuffix(c.Failure.Error(), ".") + "."
	return []Item{it}
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
