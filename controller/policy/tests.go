package policy

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/visible"
)

// Limits of policy tests. Each change of the rules decides all of them.
const (
	MaxTests    = 1_000
	MaxTestNote = 200 // characters
)

// Expectation is what a policy test expects.
type Expectation string

// The expectations. Hours do not count: who may reach a target on Mondays may reach it.
const (
	ExpectReach  Expectation = "reach"
	ExpectRefuse Expectation = "refuse"
)

// ErrTooManyTests refuses a policy test beyond MaxTests.
var ErrTooManyTests = fmt.Errorf("there are %d policy tests, and no more are possible", MaxTests)

// Test says what the rules must decide, whatever else changes. Changes that break it are
// refused.
type Test struct {
	ID string
	// Subject is a tunneler, with the labels that it has, or a label: a tunneler that has it
	// and no others.
	Subject access.Subject
	Target  access.Target
	// NetworkID is where; empty for any network.
	NetworkID string
	Expect    Expectation
	Note      string // for people

	CreatedAt time.Time
	// Revision grows with each change.
	Revision int64
}

// TestText is a Test as people write it.
type TestText struct {
	ID, Subject, Target, NetworkID, Expect, Note string
}

// Text is the test in its only spelling.
func (t Test) Text() TestText {
	return TestText{ID: t.ID, Subject: t.Subject.String(), Target: t.Target.String(), NetworkID: t.NetworkID, Expect: string(t.Expect), Note: t.Note}
}

// Parse checks a test and writes it in its only spelling. Errors: an *access.FieldError for
// each field that is at fault, joined.
func (t TestText) Parse() (Test, error) {
	out := Test{ID: t.ID, NetworkID: t.NetworkID, Expect: Expectation(t.Expect), Note: t.Note}
	var faults []error
	note := func(field string, err error) {
		if err != nil {
			faults = append(faults, &access.FieldError{Field: field, Err: err})
		}
	}
	note("id", identity.ValidateID(t.ID))
	var err error
	out.Subject, err = access.ParseSubject(t.Subject)
	note("subject", err)
	out.Target, err = access.ParseTarget(t.Target)
	note("target", err)
	if t.NetworkID != "" {
		note("network_id", identity.ValidateID(t.NetworkID))
	}
	if out.Expect != ExpectReach && out.Expect != ExpectRefuse {
		note("expect", errors.New("must be reach or refuse"))
	}
	if t.Note != "" {
		note("note", visible.Line(t.Note, MaxTestNote))
	}
	return out, errors.Join(faults...)
}

// asks says whether two tests expect the same.
func (t Test) asks(o Test) bool {
	return t.Subject == o.Subject && t.Target == o.Target && t.NetworkID == o.NetworkID && t.Expect == o.Expect
}

// TestResult is a policy test with what is decided now.
type TestResult struct {
	Test
	Answer
}

// Holds says whether the decision is the expected one.
func (r TestResult) Holds() bool { return r.Allowed == (r.Expect == ExpectReach) }

// String says what is expected, and what is decided instead.
func (r TestResult) String() string {
	text := r.ID + ": " + r.Subject.String()
	if r.Expect == ExpectReach {
		text += " must reach " + r.Target.String() + ", and would be refused (" + string(r.Code)
		if r.ResourceID != "" {
			text += ", resource " + r.ResourceID
		}
		if r.GrantID != "" {
			text += ", grant " + r.GrantID
		}
		return text + ")"
	}
	return text + " must not reach " + r.Target.String() + ", and would by the grant " + r.GrantID + " of the resource " + r.ResourceID
}

// BrokenError refuses a change after which policy tests would not hold that held before,
// or a test that does not hold.
type BrokenError struct {
	// Broken are the first of them, by id; Total counts all.
	Broken []TestResult
	Total  int
}

// shownBroken is how many tests a BrokenError names.
const shownBroken = 20

// Error implements error.
func (e *BrokenError) Error() string {
	text := fmt.Sprintf("%d policy tests would not hold", e.Total)
	if e.Total == 1 {
		text = "a policy test would not hold"
	}
	var each []string
	for _, r := range e.Broken {
		each = append(each, r.String())
	}
	if e.Total > len(e.Broken) {
		each = append(each, "…")
	}
	return text + ": " + strings.Join(each, "; ")
}

// TestQuery asks for one page of policy tests.
type TestQuery struct {
	fleet.Query

	// Subject is the only one that is wanted, as people write it; empty for any.
	Subject string
}

// ByTarget orders policy tests, beside fleet.ByID and BySubject.
const ByTarget fleet.Sort = "target"

// TestsStore keeps policy tests.
type TestsStore interface {
	// PolicyTestByID returns fleet.ErrNotFound.
	PolicyTestByID(ctx context.Context, id string) (Test, error)
	PolicyTests(ctx context.Context) ([]Test, error)
	// PolicyTestPage returns fleet.ErrPlace for a place of no page.
	PolicyTestPage(ctx context.Context, q TestQuery) (fleet.Page[Test], error)
}

// TestsTx keeps policy tests.
type TestsTx interface {
	// PolicyTest returns fleet.ErrNotFound.
	PolicyTest(ctx context.Context, id string) (Test, error)
	CountPolicyTests(ctx context.Context) (int, error)
	InsertPolicyTest(ctx context.Context, t Test) error
	UpdatePolicyTest(ctx context.Context, t Test) error
	DeletePolicyTest(ctx context.Context, id string) error
}

// Test returns one policy test. Errors: fleet.ErrNotFound.
func (r *Rules) Test(ctx context.Context, id string) (TestResult, error) {
	t, err := r.cfg.Store.PolicyTestByID(ctx, id)
	if err != nil {
		return TestResult{}, err
	}
	return r.decided(ctx, t)
}

func (r *Rules) decided(ctx context.Context, t Test) (TestResult, error) {
	all, err := r.checks.results(ctx, []Test{t})
	if err != nil {
		return TestResult{Test: t}, err
	}
	return all[0], nil
}

// Tests returns one page of policy tests. Errors: fleet.ErrPlace.
func (r *Rules) Tests(ctx context.Context, q TestQuery) (out fleet.Page[TestResult], err error) {
	page, err := r.cfg.Store.PolicyTestPage(ctx, q)
	if err != nil {
		return out, err
	}
	out.Total, out.Next = page.Total, page.Next
	out.Items, err = r.checks.results(ctx, page.Items)
	return out, err
}

// newTestID is the id of a policy test that came without one.
func newTestID() string { return "pt-" + strings.ToLower(rand.Text()[:16]) }

// CreateTest adds a policy test, which must hold. Without an id it gets one. A tunneler that
// it names need not be enrolled yet. Errors: *access.FieldError joined, fleet.ExistsError,
// ErrTooManyTests, *BrokenError.
func (r *Rules) CreateTest(ctx context.Context, text TestText, by fleet.By) (out TestResult, err error) {
	text.ID = cmp.Or(text.ID, newTestID())
	if out.Test, err = text.Parse(); err != nil {
		return out, err
	}
	out.CreatedAt, out.Revision = r.cfg.Now().UTC(), 1
	err = r.cfg.Store.RulesTx(ctx, func(tx RulesTx) error { return r.createTest(ctx, tx, out.Test, by) })
	if err != nil {
		return out, fmt.Errorf("create policy test %s: %w", out.ID, err)
	}
	return r.decided(ctx, out.Test)
}

func (r *Rules) createTest(ctx context.Context, tx RulesTx, t Test, by fleet.By) error {
	if _, err := tx.PolicyTest(ctx, t.ID); !errors.Is(err, fleet.ErrNotFound) {
		return cmp.Or[error](err, fleet.ExistsError{Kind: "policy test", ID: t.ID})
	}
	total, err := tx.CountPolicyTests(ctx)
	if err != nil {
		return err
	}
	if total >= MaxTests {
		return ErrTooManyTests
	}
	if err := checkTestNetwork(ctx, tx, t); err != nil {
		return err
	}
	if err := tx.InsertPolicyTest(ctx, t); err != nil {
		return err
	}
	ev := by.Event(audit.PolicyTestCreate, "policy-test/"+t.ID)
	ev.After = t.auditState()
	return r.cfg.Audit.Record(ctx, tx, ev)
}

func checkTestNetwork(ctx context.Context, tx RulesTx, t Test) error {
	if t.NetworkID == "" {
		return nil
	}
	_, err := tx.Network(ctx, t.NetworkID)
	if errors.Is(err, fleet.ErrNotFound) {
		return wrong("network_id", "there is no network %q: create it first", t.NetworkID)
	}
	return err
}

// TestEdit says what becomes of a policy test; nil leaves it as it is.
type TestEdit struct {
	Subject, Target, NetworkID, Expect, Note *string
	// Revision must be the present one; 0 takes any.
	Revision int64
}

// Apply returns what becomes of a policy test. Errors: *access.FieldError joined.
func (e TestEdit) Apply(t Test) (Test, error) {
	text := t.Text()
	for of, to := range map[*string]*string{
		&text.Subject: e.Subject, &text.Target: e.Target, &text.NetworkID: e.NetworkID, &text.Expect: e.Expect, &text.Note: e.Note,
	} {
		if to != nil {
			*of = *to
		}
	}
	out, err := text.Parse()
	out.CreatedAt, out.Revision = t.CreatedAt, t.Revision
	return out, err
}

// EditTest changes a policy test. What it expects after the change must hold; a note can be
// changed always. What is as it was before is not written. Errors: *access.FieldError
// joined, fleet.ErrNotFound, fleet.ErrStale, *BrokenError.
func (r *Rules) EditTest(ctx context.Context, id string, e TestEdit, by fleet.By) (out TestResult, err error) {
	err = r.cfg.Store.RulesTx(ctx, func(tx RulesTx) error {
		before, err := tx.PolicyTest(ctx, id)
		if err != nil {
			return err
		}
		if out.Test = before; e.Revision != 0 && e.Revision != before.Revision {
			return fleet.ErrStale
		}
		if out.Test, err = e.Apply(before); err != nil || out.Test == before {
			return err
		}
		return r.updateTest(ctx, tx, before, &out.Test, by)
	})
	if err != nil {
		return out, fmt.Errorf("change policy test: %w", err)
	}
	return r.decided(ctx, out.Test)
}

func (r *Rules) updateTest(ctx context.Context, tx RulesTx, before Test, after *Test, by fleet.By) error {
	if err := checkTestNetwork(ctx, tx, *after); err != nil {
		return err
	}
	after.Revision++
	if err := tx.UpdatePolicyTest(ctx, *after); err != nil {
		return err
	}
	ev := by.Event(audit.PolicyTestUpdate, "policy-test/"+after.ID)
	ev.Before, ev.After = before.auditState(), after.auditState()
	return r.cfg.Audit.Record(ctx, tx, ev)
}

// DeleteTest deletes a policy test. Errors: fleet.ErrNotFound.
func (r *Rules) DeleteTest(ctx context.Context, id string, by fleet.By) error {
	err := r.cfg.Store.RulesTx(ctx, func(tx RulesTx) error { return r.deleteTest(ctx, tx, id, by) })
	if err != nil {
		return fmt.Errorf("delete policy test: %w", err)
	}
	return nil
}

func (r *Rules) deleteTest(ctx context.Context, tx RulesTx, id string, by fleet.By) error {
	before, err := tx.PolicyTest(ctx, id)
	if err != nil {
		return err
	}
	if err := tx.DeletePolicyTest(ctx, id); err != nil {
		return err
	}
	ev := by.Event(audit.PolicyTestDelete, "policy-test/"+id)
	ev.Before = before.auditState()
	return r.cfg.Audit.Record(ctx, tx, ev)
}

func (t Test) auditState() string {
	x := t.Text()
	return audit.State(struct {
		Subject   string `json:"subject"`
		Target    string `json:"target"`
		NetworkID string `json:"network_id,omitempty"`
		Expect    string `json:"expect"`
		Note      string `json:"note,omitempty"`
		Revision  int64  `json:"revision"`
	}{x.Subject, x.Target, x.NetworkID, x.Expect, x.Note, t.Revision})
}
