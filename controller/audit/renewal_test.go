package audit_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hosttest"
)

func renewed(member string, n int, at time.Time) audit.Renewal {
	return audit.Renewal{
		Member: member, Serial: fmt.Sprintf("5f0c9a7be1d24c3388aa%012x", n), Authority: "0123456789abcdef0123456789abcdef01234567",
		NotAfter: at.Add(5 * time.Minute).Truncate(time.Second),
	}
}

func TestEachSVIDIsRecordedOnce(t *testing.T) {
	t.Parallel()
	clk, s := hosttest.NewClock(time.Unix(1e9, 0)), &memory{}
	c := audit.NewCollector(s, audit.New(zap.NewNop(), clk.Now))
	for range 3 {
		for _, serial := range []string{"1", "1", ""} {
			c.Renewed(audit.Renewal{Member: "connector/c1", Serial: serial, NotAfter: clk.Now()})
		}
	}
	c.Renewed(audit.Renewal{Member: "connector/c2", Serial: "1"})
	c.Flush(t.Context())
	require.Len(t, s.renewals, 2)
	require.Equal(t, clk.Now().UTC(), s.renewals[0].Time, "the time is the controller's")
	require.Empty(t, s.events, "renewals are no events of the log")
}

// TestARestartedControllerRecordsNoSVIDAgain: all members prove theirs anew.
func TestARestartedControllerRecordsNoSVIDAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 3 {
		c := audit.NewCollector(w.store, w.trail)
		for m := range 5 {
			c.Renewed(renewed(fmt.Sprintf("connector/c-%d", m), 1, w.clock.Now()))
		}
		c.Flush(t.Context())
	}
	require.Len(t, w.renewals(t), 5)
}

func TestRenewalsAreWrittenOnceAMinuteAndAtTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &memory{}
		c := audit.NewCollector(s, audit.New(zap.NewNop(), time.Now))
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- c.Run(ctx) }()
		written := func() int {
			synctest.Wait()
			s.mu.Lock()
			defer s.mu.Unlock()
			return len(s.renewals)
		}
		c.Renewed(renewed("connector/c-1", 1, time.Now()))
		<-time.After(59 * time.Second)
		require.Zero(t, written())
		<-time.After(2 * time.Second)
		require.Equal(t, 1, written())

		s.mu.Lock()
		s.fail = errors.New("disk full")
		s.mu.Unlock()
		c.Renewed(renewed("connector/c-1", 2, time.Now()))
		<-time.After(time.Minute)
		require.Equal(t, 1, written())
		s.mu.Lock()
		s.fail = nil
		s.mu.Unlock()
		c.Renewed(renewed("connector/c-1", 3, time.Now()))
		<-time.After(time.Minute)
		require.Equal(t, 3, written(), "what the store did not take waited")

		c.Renewed(renewed("connector/c-1", 4, time.Now()))
		stop()
		require.NoError(t, <-ended)
		require.Equal(t, 4, written())
	})
}

// TestADatabaseThatFailsFillsNoMemory: renewals wait for it, but not without end.
func TestADatabaseThatFailsFillsNoMemory(t *testing.T) {
	t.Parallel()
	s := &memory{fail: errors.New("disk full")}
	c := audit.NewCollector(s, newLog(t))
	for i := range 100_050 {
		c.Renewed(audit.Renewal{Member: "connector/c", Serial: fmt.Sprint(i)})
	}
	c.Flush(t.Context())
	c.Renewed(audit.Renewal{Member: "connector/c", Serial: "one more"})
	s.fail = nil
	c.Flush(t.Context())
	require.Len(t, s.renewals, 100_000)
}

// renewals are all that are stored.
func (w *world) renewals(t testing.TB) []audit.Renewal {
	t.Helper()
	all, err := w.store.RenewalsBetween(context.Background(), 0, 1<<62, 1<<20)
	require.NoError(t, err)
	return all
}

// renew records n renewals of as many members, a minute apart.
func (w *world) renew(t testing.TB, n int) {
	t.Helper()
	c := audit.NewCollector(w.store, w.trail)
	for range n {
		w.clock.Advance(time.Minute)
		c.Renewed(renewed(fmt.Sprintf("connector/c-%d", w.clock.Now().Minute()), int(w.clock.Now().Unix()), w.clock.Now()))
	}
	c.Flush(context.Background())
}

// keeper is one that sequences what it records.
type keeper struct {
	*audit.Keeper
	seq *audit.Sequencer
}

func (w *world) keeper(t testing.TB, r audit.Retention) keeper {
	t.Helper()
	s := w.sequencer("c1")
	require.NoError(t, s.Step(context.Background()))
	return keeper{audit.NewKeeper(audit.KeeperConfig{
		Store: w.store, Sequencer: s, Trail: w.trail, Retention: r, Log: zap.NewNop(), Now: w.clock.Now,
	}), s}
}

// keep does what is due, and what is due after that was placed in the log.
func (k keeper) keep(t testing.TB) {
	t.Helper()
	for range 2 {
		require.NoError(t, k.Step(context.Background()))
		require.NoError(t, k.seq.Step(context.Background()))
	}
}

func (w *world) anchors(t testing.TB) []audit.Row {
	t.Helper()
	rows, err := w.store.AuditOf(context.Background(), audit.SVIDAnchor, 1<<62, 1000)
	require.NoError(t, err)
	return rows
}

func TestRenewalsAreAnchoredEachHourAndKeptFor30Days(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	k := w.keeper(t, audit.Retention{})
	k.keep(t)
	require.Empty(t, w.anchors(t), "there is nothing to anchor")
	w.renew(t, 50)
	k.keep(t)
	require.Empty(t, w.anchors(t), "the hour has not passed")
	w.clock.Advance(11 * time.Minute)
	k.keep(t)
	require.Len(t, w.anchors(t), 1)
	require.Equal(t, int64(50), w.verify(t, nil).Renewals)
	w.renew(t, 70)
	k.keep(t)
	require.Len(t, w.anchors(t), 2)
	require.Equal(t, int64(120), w.verify(t, nil).Renewals)

	w.clock.Advance(audit.KeepRenewals)
	w.renew(t, 10)
	k.keep(t)
	require.Len(t, w.anchors(t), 3, "an hour after the last one what has become old is removed")
	require.Len(t, w.renewals(t), 10, "those of 30 days ago are gone; the log says so")
	require.Nil(t, w.verify(t, nil).Problem)
	w.clock.Advance(time.Hour)
	k.keep(t)
	w.renew(t, 5)
	w.clock.Advance(time.Hour)
	k.keep(t)
	require.Equal(t, int64(15), w.verify(t, nil).Renewals)
}

// preceded is a store in which something happens right before a step of a keeper.
type preceded struct {
	audit.KeeperStore
	by func()
}

func (o *preceded) KeepTx(ctx context.Context, epoch int64, fn func(audit.KeeperTx) error) error {
	if by := o.by; by != nil {
		o.by = nil
		by()
	}
	return o.KeeperStore.KeepTx(ctx, epoch, fn)
}

// TestRenewalsAreAnchoredOnce: two anchors of the same renewals are not what happened.
func TestRenewalsAreAnchoredOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	k := w.keeper(t, audit.Retention{})
	w.renew(t, 50)
	w.clock.Advance(time.Hour)
	store := &preceded{KeeperStore: w.store, by: func() { require.NoError(t, k.Step(t.Context())) }}
	late := audit.NewKeeper(audit.KeeperConfig{Store: store, Sequencer: k.seq, Trail: w.trail, Log: zap.NewNop(), Now: w.clock.Now})
	require.NoError(t, late.Step(t.Context()))
	require.Nil(t, store.by)
	require.NoError(t, k.seq.Step(t.Context()))
	require.Len(t, w.anchors(t), 1)
	r := w.verify(t, nil)
	require.Nil(t, r.Problem)
	require.Equal(t, int64(50), r.Renewals)
}

// TestAControllerThatDoesNotSequenceKeepsNothing: two would anchor the same renewals.
func TestAControllerThatDoesNotSequenceKeepsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first, second := w.keeper(t, audit.Retention{}), w.sequencer("c2")
	other := audit.NewKeeper(audit.KeeperConfig{Store: w.store, Sequencer: second, Trail: w.trail, Log: zap.NewNop(), Now: w.clock.Now})
	w.renew(t, 3)
	w.clock.Advance(time.Hour)
	require.NoError(t, other.Step(t.Context()))
	require.Empty(t, w.anchors(t))
	w.clock.Advance(time.Hour)
	require.NoError(t, second.Step(t.Context()), "the lease of the first one has run out")
	require.NoError(t, first.Step(t.Context()), "it is fenced, which is no fault")
	require.NoError(t, second.Step(t.Context()))
	require.Empty(t, w.anchors(t))
	require.NoError(t, other.Step(t.Context()))
	require.NoError(t, second.Step(t.Context()))
	require.Len(t, w.anchors(t), 1)
}

func TestVerifyFindsWhatWasDoneToRenewals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	k := w.keeper(t, audit.Retention{})
	for range 3 {
		w.renew(t, 20)
		w.clock.Advance(time.Hour)
		k.keep(t)
	}
	w.renew(t, 5) // without an anchor yet
	require.Nil(t, w.verify(t, nil).Problem)
	for name, c := range map[string]struct {
		sql  []string
		kind string
		says string
	}{
		"a serial":                        {[]string{`UPDATE svid_renewals SET serial = x'01' WHERE seq = 30`}, audit.Changed, "21 to 40 are not those"},
		"a time":                          {[]string{`UPDATE svid_renewals SET time = time + 1 WHERE seq = 1`}, audit.Changed, "1 to 20"},
		"an end":                          {[]string{`UPDATE svid_renewals SET not_after = not_after + 1 WHERE seq = 60`}, audit.Changed, "41 to 60"},
		"whose it was":                    {[]string{`UPDATE svid_renewals SET member = member + 1 WHERE seq = 41`}, audit.Changed, "41 to 60"},
		"a name":                          {[]string{`UPDATE svid_names SET name = 'connector/x' WHERE id = 1`}, audit.Changed, "are not those"},
		"a name, removed":                 {[]string{`DELETE FROM svid_names WHERE id = 1`}, audit.Changed, "are not those"},
		"one removed":                     {[]string{`DELETE FROM svid_renewals WHERE seq = 20`}, audit.Deleted, "there are 19"},
		"an hour removed":                 {[]string{`DELETE FROM svid_renewals WHERE seq > 20 AND seq <= 40`}, audit.Deleted, "there are 0"},
		"all removed":                     {[]string{`DELETE FROM svid_renewals`}, audit.Deleted, "there are 0"},
		"two exchanged":                   {[]string{`UPDATE svid_renewals SET seq = -1 WHERE seq = 3`, `UPDATE svid_renewals SET seq = 3 WHERE seq = 4`, `UPDATE svid_renewals SET seq = 4 WHERE seq = -1`}, audit.Changed, "1 to 20"},
		"the anchor":                      {[]string{`UPDATE audit SET after = replace(after, '"count":20', '"count":19') WHERE action = 'svid.anchor'`}, audit.Changed, "not what was recorded"},
		"the anchors' table":              {[]string{`DELETE FROM svid_anchors`}, "", ""},
		"one added where one was removed": {[]string{`UPDATE svid_renewals SET seq = 100 WHERE seq = 7`}, audit.Deleted, "there are 19"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			other := w.another(t)
			for _, q := range c.sql {
				other.sql(t, q)
			}
			p := other.verify(t, nil).Problem
			if c.kind == "" {
				require.Nil(t, p, "it tells where to look, and proves nothing")
				return
			}
			require.NotNil(t, p)
			require.Equal(t, c.kind, p.Kind, p.Error())
			require.Contains(t, p.Detail, c.says)
		})
	}
}

// TestNobodyWithoutTheKeyCanSayThatRenewalsWerePruned: whoever writes to the database can have
// the running controller place any event, but not sign what it states.
func TestNobodyWithoutTheKeyCanSayThatRenewalsWerePruned(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	k := w.keeper(t, audit.Retention{})
	w.renew(t, 20)
	w.clock.Advance(time.Hour)
	k.keep(t)
	w.sql(t, `DELETE FROM svid_renewals WHERE seq <= 20`)
	w.sql(t, `INSERT INTO audit (time, actor, action, target, outcome, reason, request_id, source, after)
		SELECT time + 1, actor, action, target, outcome, reason, request_id, source, replace(after, '"pruned":0', '"pruned":20') FROM audit WHERE action = 'svid.anchor'`)
	require.NoError(t, k.seq.Step(t.Context()))
	p := w.verify(t, nil).Problem
	require.NotNil(t, p)
	require.Equal(t, audit.Forged, p.Kind)
	require.ErrorIs(t, k.Step(t.Context()), audit.ErrStatement, "the controller prunes nothing for it either")
}
