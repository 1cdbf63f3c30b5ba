package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

func auditEvent(n int) audit.Event {
	outcome := audit.Success
	if n%2 == 1 {
		outcome = audit.Denied
	}
	return audit.Event{
		Time: start().Add(time.Duration(n) * time.Minute), Actor: "person:p" + string(rune('0'+n%3)), Action: audit.TokenCreate,
		Target: "token/tok_" + "abcdefghij"[n:n+1], Outcome: outcome, Reason: "100% of_it \\ Ünter", After: `{"n":1}`,
	}
}

func recordAudit(t *testing.T, s Store, from, to int) {
	t.Helper()
	for n := from; n < to; n++ {
		require.NoError(t, s.AppendAudit(t.Context(), auditEvent(n)))
	}
}

func findAudit(t *testing.T, open func(string) Store) {
	s := fresh(t, open)
	recordAudit(t, s, 0, 10)
	for name, c := range map[string]struct {
		q    audit.Query
		want []int64 // Seq
	}{
		"all, newest first":               {audit.Query{Limit: 3}, []int64{10, 9, 8}},
		"the next page":                   {audit.Query{Limit: 3, After: 8}, []int64{7, 6, 5}},
		"the last page":                   {audit.Query{Limit: 3, After: 3}, []int64{2, 1}},
		"oldest first":                    {audit.Query{Limit: 2, Oldest: true}, []int64{1, 2}},
		"oldest first, the next page":     {audit.Query{Limit: 2, Oldest: true, After: 8}, []int64{9, 10}},
		"by actor":                        {audit.Query{Limit: 9, Actor: "person:p1"}, []int64{8, 5, 2}},
		"by the beginning of a target":    {audit.Query{Limit: 2, Target: "token/*"}, []int64{10, 9}},
		"a pattern is no pattern":         {audit.Query{Limit: 9, Target: "token_tok%*"}, nil},
		"an exact text is no pattern":     {audit.Query{Limit: 9, Actor: "person:p_"}, nil},
		"by outcome":                      {audit.Query{Limit: 2, Outcome: "denied"}, []int64{10, 8}},
		"since a time":                    {audit.Query{Limit: 9, Since: start().Add(8 * time.Minute)}, []int64{10, 9}},
		"until a time, which is excluded": {audit.Query{Limit: 9, Until: start().Add(2 * time.Minute)}, []int64{2, 1}},
		"by level":                        {audit.Query{Limit: 2, Level: audit.Warning}, []int64{10, 8}},
		"by two fields":                   {audit.Query{Limit: 9, Actor: "person:p1", Target: "token/tok_e"}, []int64{5}},
		"by text in any case":             {audit.Query{Limit: 1, Text: "100% OF_IT \\"}, []int64{10}},
		"by the words of an action":       {audit.Query{Limit: 1, Text: "token CREATED"}, []int64{10}},
		"by text in a state":              {audit.Query{Limit: 1, Text: `"n":1`}, []int64{10}},
		"a text that is not there":        {audit.Query{Limit: 9, Text: "100_"}, nil},
	} {
		page, err := s.FindAudit(t.Context(), c.q)
		require.NoError(t, err, name)
		var got []int64
		for _, r := range page.Rows {
			got = append(got, r.Seq)
			require.Equal(t, int64(-1), r.Index)
			require.Equal(t, auditEvent(int(r.Seq-1)), r.Event)
		}
		require.Equal(t, c.want, got, name)
	}
	pages(t, s)
	n, err := s.AuditTotal(t.Context())
	require.NoError(t, err)
	require.Equal(t, int64(10), n)
	known, err := s.AuditKnows(t.Context(), auditEvent(3))
	require.NoError(t, err)
	require.True(t, known)
	known, err = s.AuditKnows(t.Context(), audit.Event{Target: "token/tok_a"})
	require.NoError(t, err)
	require.False(t, known)
}

// pages reads all events page by page, each with some that do not match in between.
func pages(t *testing.T, s Store) {
	t.Helper()
	for _, oldest := range []bool{false, true} {
		q, seen := audit.Query{Outcome: "denied", Text: "ünter", Limit: 2, Oldest: oldest}, 0
		for range 3 {
			page, err := s.FindAudit(t.Context(), q)
			require.NoError(t, err)
			seen += len(page.Rows)
			if q.After = page.Next; page.Next == 0 {
				break
			}
		}
		require.Equal(t, 5, seen)
		require.Zero(t, q.After, "the last page says that it is")
	}
}

func sequenceAudit(t *testing.T, open func(string) Store) {
	s := fresh(t, open)
	lease := audit.Lease{Holder: "a", Now: start(), Until: start().Add(time.Minute)}
	one, ok, err := s.AcquireSequencer(t.Context(), lease)
	require.NoError(t, err)
	require.True(t, ok)
	_, ok, err = s.AcquireSequencer(t.Context(), audit.Lease{Holder: "b", Now: start(), Until: start().Add(time.Hour)})
	require.NoError(t, err)
	require.False(t, ok, "the lease runs")

	recordAudit(t, s, 0, 3)
	pending, err := s.AuditPending(t.Context())
	require.NoError(t, err)
	require.True(t, pending)
	h := tlog.RecordHash([]byte("x"))
	note := audit.SignedCheckpoint{Size: 2, Time: start(), Note: "note"}
	batch := func(tx audit.SequenceTx) error {
		rows, err := tx.PendingAudit(t.Context(), 2)
		require.NoError(t, err)
		require.Len(t, rows, 2)
		for i, r := range rows {
			require.NoError(t, tx.PlaceAudit(t.Context(), r.Seq, int64(i)))
			require.Error(t, tx.PlaceAudit(t.Context(), r.Seq, 9), "a place is given once")
		}
		require.NoError(t, tx.PutAuditHashes(t.Context(), 0, []tlog.Hash{h, h, h}))
		return tx.PutCheckpoint(t.Context(), note)
	}
	require.ErrorIs(t, s.SequenceTx(t.Context(), one+1, batch), audit.ErrFenced)
	require.ErrorIs(t, s.SequenceTx(t.Context(), one, func(tx audit.SequenceTx) error { require.NoError(t, batch(tx)); return errStop }), errStop)
	head, err := s.NewestCheckpoint(t.Context())
	require.NoError(t, err)
	require.Zero(t, head, "nothing of a failed batch stays")
	require.NoError(t, s.SequenceTx(t.Context(), one, batch))
	head, err = s.NewestCheckpoint(t.Context())
	require.NoError(t, err)
	require.Equal(t, note, head)
	rows, err := s.AuditRows(t.Context(), 1, 10)
	require.NoError(t, err)
	require.Len(t, rows, 1)
	require.Equal(t, auditEvent(1), rows[0].Event)
	left, last, err := s.AuditEnds(t.Context())
	require.NoError(t, err)
	require.Equal(t, []int64{1, 2}, []int64{left, last})
	total, err := s.AuditTotal(t.Context())
	require.NoError(t, err)
	require.Equal(t, int64(3), total, "those that have a place, and the one that waits for it")
	newest, found, err := s.NewestAudit(t.Context(), audit.TokenCreate)
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, int64(1), newest.Index, "the third one has no place")
	_, found, err = s.NewestAudit(t.Context(), audit.Enroll)
	require.NoError(t, err)
	require.False(t, found)
	of, err := s.AuditOf(t.Context(), audit.TokenCreate, 1, 9)
	require.NoError(t, err)
	require.Len(t, of, 1)
	require.Equal(t, int64(0), of[0].Index)
	got, err := s.AuditHashes(t.Context(), []int64{2, 0})
	require.NoError(t, err)
	require.Equal(t, []tlog.Hash{h, h}, got)
	_, err = s.AuditHashes(t.Context(), []int64{0, 3})
	require.ErrorIs(t, err, audit.ErrNoHash, "a hash that is not there is an error, not a zero one")

	two, ok, err := s.AcquireSequencer(t.Context(), audit.Lease{Holder: "b", Now: lease.Until, Until: lease.Until.Add(time.Minute)})
	require.NoError(t, err)
	require.True(t, ok)
	require.Greater(t, two, one)
	require.ErrorIs(t, s.SequenceTx(t.Context(), one, func(audit.SequenceTx) error { return nil }), audit.ErrFenced)
	require.ErrorIs(t, s.RenewSequencer(t.Context(), one, start()), audit.ErrFenced)
	require.NoError(t, s.RenewSequencer(t.Context(), two, start()))
}

func auditPositions(t *testing.T, open func(string) Store) {
	s := fresh(t, open)
	for _, want := range []int64{0, 7, 3} {
		if want > 0 {
			require.NoError(t, s.SetSinkPosition(t.Context(), "file", want))
		}
		got, err := s.SinkPosition(t.Context(), "file")
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	got, err := s.SinkPosition(t.Context(), "webhook")
	require.NoError(t, err)
	require.Zero(t, got)
	for _, w := range []audit.Witness{{Connector: "b", Size: 1, At: start()}, {Connector: "a", Size: 1, At: start()}, {Connector: "b", Size: 2, At: start(), Failure: "x"}} {
		require.NoError(t, s.PutWitnesses(t.Context(), []audit.Witness{w}))
	}
	all, err := s.Witnesses(t.Context())
	require.NoError(t, err)
	require.Equal(t, []audit.Witness{{Connector: "a", Size: 1, At: start()}, {Connector: "b", Size: 2, At: start(), Failure: "x"}}, all)

	disputed := func(want int, why string) {
		t.Helper()
		n, err := s.AuditDisputed(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, n, why)
	}
	disputed(0, "nobody of that name is enrolled")
	put(t, s, newMember(identity.KindConnector, "a", fleet.Host{}), newMember(identity.KindConnector, "b", fleet.Host{}), newMember(identity.KindTunneler, "b", fleet.Host{}))
	disputed(1, "a accepts it, b does not")
	within(t, s, func(tx enroll.Tx) error { return tx.RevokeMember(t.Context(), connector("b"), start()) })
	disputed(0, "it is revoked and will never say otherwise")
}
