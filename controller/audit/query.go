package audit

import (
	"context"
	"strings"
	"time"
)

// Window is how many events one page examines at most. What no index answers (a
// beginning, a text, a second filter) is compared one event at a time; a page that ends
// at the window has a Next, though it may hold fewer events than were asked for.
const Window = 10_000

// Query chooses events. A text that ends with "*" matches what begins with the
// rest; Text is looked for everywhere, in any case.
type Query struct {
	Actor, Target, Outcome, Text string
	Action                       Action
	Level                        Level // this one or a higher one

	Since, Until time.Time // Until is excluded; zero is no limit
	// Oldest turns the order around: it is newest first otherwise.
	Oldest bool
	// After is the Next of the page before; 0 at the start.
	After int64
	Limit int
}

// Matches says whether e is one of the events that q chooses, apart from its page.
func (q Query) Matches(e Event) bool {
	return matches(q.Target, e.Target) && matches(q.Actor, e.Actor) && matches(string(q.Action), string(e.Action)) &&
		matches(q.Outcome, string(e.Outcome)) && within(q.Since, q.Until, e.Time) &&
		e.Level() >= q.Level && e.has(q.Text)
}

// matches compares with an exact text, or with a beginning.
func matches(want, have string) bool {
	if prefix, isPrefix := strings.CutSuffix(want, "*"); isPrefix {
		return strings.HasPrefix(have, prefix)
	}
	return want == "" || want == have
}

func within(since, until, at time.Time) bool {
	return (since.IsZero() || !at.Before(since)) && (until.IsZero() || at.Before(until))
}

// has looks for a text in all fields, in any case.
func (e Event) has(text string) bool {
	if text == "" {
		return true
	}
	text = strings.ToLower(text)
	for _, s := range []string{e.Actor, string(e.Action), e.Title(), e.Target, e.Reason, e.RequestID, e.Source, e.Before, e.After} {
		if strings.Contains(strings.ToLower(s), text) {
			return true
		}
	}
	return false
}

// Page is some events in the order of their query.
type Page struct {
	Rows []Row
	// Next is the After of the next page; 0 after the last event.
	Next int64
}

// QueryStore finds events.
type QueryStore interface {
	FindAudit(ctx context.Context, q Query) (Page, error)
	// AuditTotal is how many events there are, without those that were archived.
	AuditTotal(ctx context.Context) (int64, error)
	FindRenewals(ctx context.Context, q RenewalQuery) (RenewalPage, error)
	Witnesses(ctx context.Context) ([]Witness, error)
}

// Archive is the log for people who read it.
type Archive struct {
	QueryStore
	Sequencer *Sequencer
	SelfCheck *SelfCheck
}

// Checkpoint is the newest one, and the key to verify it with.
func (a Archive) Checkpoint() (c SignedCheckpoint, verifierKey string) {
	return a.Sequencer.Head(), a.Sequencer.cfg.Signer.VerifierKey
}

// Verified is the result of the last self check.
func (a Archive) Verified() CheckState { return a.SelfCheck.State() }
