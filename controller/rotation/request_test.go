package rotation_test

import (
	"encoding/json"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/rotation"
)

func TestOptionsThatMakeNoSenseAreRefused(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(*rotation.Options)
		field  string
	}{
		"a deadline that no SVID can meet": {func(o *rotation.Options) { o.Deadline = time.Second }, "deadline"},
		"a negative deadline":              {func(o *rotation.Options) { o.Deadline = -time.Hour }, "deadline"},
		"an unknown offline policy":        {func(o *rotation.Options) { o.Offline = "ignore" }, "offline"},
		"an unknown end of a deadline":     {func(o *rotation.Options) { o.OnExpiry = "" }, "on_deadline"},
		"an emergency with a deadline":     {func(o *rotation.Options) { o.Emergency, o.Deadline = true, time.Hour }, "emergency"},
		"an emergency that waits":          {func(o *rotation.Options) { o.Emergency, o.Offline = true, rotation.WaitOffline }, "emergency"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			o := ordinary
			tc.change(&o)
			_, err := s.m.Start(t.Context(), rotation.Request{Options: o})
			var fault *rotation.OptionError
			require.ErrorAs(t, err, &fault)
			require.Equal(t, tc.field, fault.Field)
			_, err = s.m.Preview(t.Context(), o)
			require.ErrorAs(t, err, &fault)
			require.Empty(t, s.rotation().ID)
		})
	}
}

func TestAnUpstreamAuthorityIsRefused(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.spire.SetUpstream("root")
	_, err := s.m.Start(t.Context(), rotation.Request{Options: ordinary})
	require.ErrorIs(t, err, rotation.ErrUpstream)
	_, err = s.m.Preview(t.Context(), ordinary)
	require.ErrorIs(t, err, rotation.ErrUpstream)
	r, err := s.m.Report(t.Context())
	require.NoError(t, err)
	require.Equal(t, "root", r.Authorities.Upstream)

	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.start(ordinary)
		s.spire.SetUpstream("root") // configured while the controller was down
		s.live()
		require.Equal(t, rotation.Paused, s.rotation().State)
		require.Empty(t, s.spire.Calls())
	})
}

func TestOneRotationAtATime(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	_, err := s.m.Abort(t.Context(), rotation.Request{})
	require.ErrorIs(t, err, rotation.ErrNone)
	_, err = s.m.Resume(t.Context(), rotation.Request{})
	require.ErrorIs(t, err, rotation.ErrNone)
	first := s.start(ordinary)
	_, err = s.m.Start(t.Context(), rotation.Request{Options: ordinary})
	require.ErrorIs(t, err, rotation.ErrRunning)
	_, err = s.m.Resume(t.Context(), rotation.Request{})
	require.ErrorIs(t, err, rotation.ErrNotStuck)
	r, err := s.m.Abort(t.Context(), rotation.Request{Actor: "key:a", RequestID: "req", From: "192.0.2.1"})
	require.NoError(t, err)
	require.Equal(t, first.ID, r.ID)
	require.Equal(t, rotation.Aborted, s.rotation().State)
	last := s.store.Events()[len(s.store.Events())-1]
	require.JSONEq(t, `{"state":"running","phase":"preparing","offline":"proceed","on_deadline":"drop","replace":["ca-1"]}`, last.Before)
	require.JSONEq(t, `{"state":"aborted","phase":"preparing","offline":"proceed","on_deadline":"drop","replace":["ca-1"],
		"reason":"aborted by key:a","ended_at":`+r.EndedAt.Format(`"`+time.RFC3339Nano+`"`)+`}`, last.After)
	last.Time, last.Before, last.After = time.Time{}, "", ""
	require.Equal(t, audit.Event{
		Actor: "key:a", Action: audit.RotationAbort, Target: "rotation/" + r.ID, Outcome: audit.Success, Reason: "preparing",
		RequestID: "req", Source: "192.0.2.1",
	}, last)
	_, err = s.m.Abort(t.Context(), rotation.Request{})
	require.ErrorIs(t, err, rotation.ErrNone)
}

// TestEachStepSaysWhatWasBeforeAndAfter follows the audit events of a rotation that
// an emergency takes over.
func TestEachStepSaysWhatWasBeforeAndAfter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.start(ordinary)
		s.start(emergency)
		s.finish()
		require.Equal(t, rotation.Done, s.rotation().State)
		type state struct {
			State     rotation.State `json:"state"`
			Phase     rotation.Phase `json:"phase"`
			Emergency bool           `json:"emergency"`
		}
		last, seen := "", map[audit.Action]int{}
		for _, e := range s.store.Events() {
			seen[e.Action]++
			require.Equal(t, last, e.Before, "each begins where the one before ended: %s", e.Action)
			require.NotEqual(t, e.Before, e.After)
			last = e.After
		}
		require.Equal(t, 2, seen[audit.RotationStart])
		require.NotZero(t, seen[audit.RotationPhase])
		require.Equal(t, 1, seen[audit.RotationEnd])
		var took, ended state
		require.NoError(t, json.Unmarshal([]byte(s.store.Events()[1].After), &took))
		require.Equal(t, state{rotation.Running, rotation.Preparing, true}, took)
		require.NoError(t, json.Unmarshal([]byte(last), &ended))
		require.Equal(t, state{rotation.Done, rotation.Distrusted, true}, ended)
	})
}

func TestAPreviewChangesNothing(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	p, err := s.m.Preview(t.Context(), ordinary)
	require.NoError(t, err)
	require.Equal(t, []string{"ca-1"}, p.Replace)
	require.Empty(t, p.Reuse)
	require.Len(t, p.Steps, 5)
	require.Equal(t, "wait until no online peer trusts ca-1 any more", p.Steps[4])
	require.Equal(t, 4, p.Gate.Total)

	s.byItself("prepare")
	p, err = s.m.Preview(t.Context(), ordinary)
	require.NoError(t, err)
	require.Equal(t, "ca-2", p.Reuse)
	require.Len(t, p.Steps, 4)
	p, err = s.m.Preview(t.Context(), emergency)
	require.NoError(t, err)
	require.Equal(t, []string{"ca-1", "ca-2"}, p.Replace)
	require.Len(t, p.Steps, 8)
	require.Contains(t, p.Steps[7], "trusts ca-1 or ca-2 any more")

	require.Equal(t, []string{"prepare ca-2"}, s.spire.Calls())
	require.Empty(t, s.rotation().ID)
	require.Empty(t, s.store.Events())
	s.start(ordinary)
	_, err = s.m.Preview(t.Context(), ordinary)
	require.ErrorIs(t, err, rotation.ErrRunning)
}

func TestARotationOfSPIREsOwnIsReported(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	report := func() rotation.Report {
		r, err := s.m.Report(t.Context())
		require.NoError(t, err)
		return r
	}
	require.Nil(t, report().Automatic)
	s.byItself("prepare")
	require.Equal(t, rotation.Prepared, report().Automatic.Phase)
	require.Equal(t, 4, report().Automatic.Gate.Through)
	s.byItself("activate")
	auto := report().Automatic
	require.Equal(t, rotation.Active, auto.Phase)
	require.Equal(t, "ca-1", auto.Authority)
	require.False(t, auto.Gate.Open(), "SPIRE re-issues nothing before half of an SVID's life")
}

func TestSPIREOvertakesARotationThatWaitsForTooLong(t *testing.T) {
	t.Parallel()
	play(t, func(s *scene) { s.world.Freeze("t-01") }, ordinary, func(t *testing.T, s *scene) {
		require.Equal(t, rotation.Tainted, s.rotation().Phase)
		s.byItself("prepare") // forgets the old one
		s.pass(time.Second)
		require.Equal(t, rotation.Overtaken, s.rotation().State)
		require.Contains(t, s.rotation().Reason, "ca-1")
	})
}

func TestACallThatSPIRERefusesForEverPauses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.start(ordinary)
		s.faults.Refuse("activate", errors.New("FailedPrecondition: no"))
		s.live()
		r := s.rotation()
		require.Equal(t, rotation.Paused, r.State)
		require.NotContains(t, r.Reason, "FailedPrecondition", "the log has SPIRE's words")
		s.faults.Refuse("", nil)
		_, err := s.m.Resume(t.Context(), rotation.Request{})
		require.NoError(t, err)
		s.live()
		s.requireCalls("prepare ca-2", "activate ca-2", "taint ca-1", "revoke ca-1")
	})
}
