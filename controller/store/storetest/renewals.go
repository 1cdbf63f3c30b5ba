package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
)

func renewal(member, serial string, minute int) audit.Renewal {
	at := start().Truncate(time.Millisecond).Add(time.Duration(minute) * time.Minute)
	return audit.Renewal{Time: at, Member: member, Serial: serial, Authority: "0123456789abcdef", NotAfter: at.Truncate(time.Second).Add(time.Hour)}
}

func renewals(t *testing.T, open func(string) Store) {
	s := fresh(t, open)
	// What is no usual serial number is kept as it is.
	all := []audit.Renewal{
		renewal("connector/a", "5f0c9a", 0), renewal("connector/b", "0", 1), renewal("connector/a", "00ff", 2), renewal("tunneler/a", "\x00x", 3),
		renewal("connector/a", "5f0c9a", 4),
	}
	n, err := s.AppendRenewals(t.Context(), all)
	require.NoError(t, err)
	require.Equal(t, 5, n)
	n, err = s.AppendRenewals(t.Context(), []audit.Renewal{renewal("connector/a", "5f0c9a", 5), renewal("connector/b", "1", 5), renewal("connector/b", "1", 6)})
	require.NoError(t, err)
	require.Equal(t, 1, n, "the newest serial of its member is nothing new")
	all = append(all, renewal("connector/b", "1", 5))
	for i := range all {
		all[i].Seq = int64(i + 1)
	}
	got, err := s.RenewalsBetween(t.Context(), 1, 6, 100)
	require.NoError(t, err)
	require.Equal(t, all, got)
	got, err = s.RenewalsBetween(t.Context(), 2, 5, 2)
	require.NoError(t, err)
	require.Equal(t, all[1:3], got)

	findRenewals(t, s)
	anchorRenewals(t, s)
}

func findRenewals(t *testing.T, s Store) {
	t.Helper()
	at := func(minute int) time.Time { return renewal("", "", minute).Time }
	for name, c := range map[string]struct {
		q    audit.RenewalQuery
		want []int64
		next int64
	}{
		"all, newest first":      {audit.RenewalQuery{Limit: 4}, []int64{6, 5, 4, 3}, 3},
		"the last page":          {audit.RenewalQuery{Limit: 4, After: 3}, []int64{2, 1}, 0},
		"oldest first":           {audit.RenewalQuery{Limit: 2, Oldest: true, After: 4}, []int64{5, 6}, 0},
		"of a member":            {audit.RenewalQuery{Limit: 9, Member: "connector/a"}, []int64{5, 3, 1}, 0},
		"of nobody":              {audit.RenewalQuery{Limit: 9, Member: "connector/c"}, nil, 0},
		"of all tunnelers":       {audit.RenewalQuery{Limit: 9, Member: "tunneler/*"}, []int64{4}, 0},
		"by serial":              {audit.RenewalQuery{Limit: 9, Serial: "5f0c9a"}, []int64{5, 1}, 0},
		"by authority":           {audit.RenewalQuery{Limit: 1, Authority: "0123*", Member: "connector/b"}, []int64{6}, 6},
		"of another authority":   {audit.RenewalQuery{Limit: 9, Authority: "x"}, nil, 0},
		"since a time":           {audit.RenewalQuery{Limit: 9, Since: at(4)}, []int64{6, 5}, 0},
		"until a time":           {audit.RenewalQuery{Limit: 9, Until: at(1)}, []int64{1}, 0},
		"of a time, of a member": {audit.RenewalQuery{Limit: 9, Since: at(1), Until: at(5), Member: "connector/a"}, []int64{5, 3}, 0},
	} {
		page, err := s.FindRenewals(t.Context(), c.q)
		require.NoError(t, err, name)
		var got []int64
		for _, r := range page.Renewals {
			got = append(got, r.Seq)
		}
		require.Equal(t, c.want, got, name)
		require.Equal(t, c.next, page.Next, name)
	}
}

func anchorRenewals(t *testing.T, s Store) {
	t.Helper()
	epoch, ok, err := s.AcquireSequencer(t.Context(), audit.Lease{Holder: "a", Now: start(), Until: start().Add(time.Minute)})
	require.NoError(t, err)
	require.True(t, ok)
	put := func(epoch, first, last int64, from, to int) error {
		return s.KeepTx(t.Context(), epoch, func(tx audit.KeeperTx) error {
			return tx.PutAnchor(t.Context(), audit.Anchor{First: first, Last: last}, renewal("", "", from).Time, renewal("", "", to).Time)
		})
	}
	expect := func(anchored, prunable int64, before int) {
		t.Helper()
		got, err := s.LastAnchored(t.Context())
		require.NoError(t, err)
		require.Equal(t, anchored, got)
		got, err = s.PrunableRenewals(t.Context(), renewal("", "", before).Time)
		require.NoError(t, err)
		require.Equal(t, prunable, got)
	}
	expect(0, 0, 100)
	require.ErrorIs(t, put(epoch+1, 1, 2, 0, 1), audit.ErrFenced)
	require.NoError(t, put(epoch, 1, 2, 0, 1))
	require.NoError(t, put(epoch, 3, 4, 2, 3))
	expect(4, 0, 1)
	expect(4, 2, 2)
	expect(4, 4, 4)
	findRenewals(t, s) // by anchors now
	pruned, err := s.PruneRenewals(t.Context(), 2, 1)
	require.NoError(t, err)
	require.Equal(t, 1, pruned)
	pruned, err = s.PruneRenewals(t.Context(), 2, 5)
	require.NoError(t, err)
	require.Equal(t, 1, pruned)
	left, err := s.RenewalsBetween(t.Context(), 0, 100, 1)
	require.NoError(t, err)
	require.Equal(t, int64(3), left[0].Seq)
	_, err = s.PruneRenewals(t.Context(), 4, 5)
	require.NoError(t, err)
	expect(4, 4, 4)
	n, err := s.AppendRenewals(t.Context(), []audit.Renewal{renewal("connector/a", "2", 9)})
	require.NoError(t, err)
	require.Equal(t, 1, n)
	left, err = s.RenewalsBetween(t.Context(), 0, 100, 9)
	require.NoError(t, err)
	require.Equal(t, int64(7), left[len(left)-1].Seq, "no number is given twice")
}

func segments(t *testing.T, open func(string) Store) {
	s := fresh(t, open)
	mark, err := s.AuditMark(t.Context())
	require.NoError(t, err)
	require.Empty(t, mark)
	for _, want := range []string{"one", "two"} {
		require.NoError(t, s.PutAuditMark(t.Context(), want))
		mark, err = s.AuditMark(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, mark)
	}
	all := []audit.Segment{{Number: 0, Bytes: 1, Newest: start()}, {Number: 1, Bytes: 2, Newest: start()}}
	for _, g := range append(all, audit.Segment{Number: 1, Bytes: 9}) {
		require.NoError(t, s.PutSegment(t.Context(), g))
	}
	got, err := s.Segments(t.Context())
	require.NoError(t, err)
	require.Equal(t, all, got)

	epoch, _, err := s.AcquireSequencer(t.Context(), audit.Lease{Holder: "a", Now: start(), Until: start().Add(time.Minute)})
	require.NoError(t, err)
	const size = audit.SegmentSize
	recordAudit(t, s, 0, 2)
	hashes := make([]tlog.Hash, tlog.StoredHashIndex(0, size+1))
	require.NoError(t, s.SequenceTx(t.Context(), epoch, func(tx audit.SequenceTx) error {
		require.NoError(t, tx.PlaceAudit(t.Context(), 1, size-1))
		require.NoError(t, tx.PlaceAudit(t.Context(), 2, size))
		for _, n := range []int64{1, size, size + 1} {
			require.NoError(t, tx.PutCheckpoint(t.Context(), audit.SignedCheckpoint{Size: n, Time: start()}))
		}
		return tx.PutAuditHashes(t.Context(), 0, hashes)
	}))
	remove := func(epoch int64) error {
		return s.KeepTx(t.Context(), epoch, func(tx audit.KeeperTx) error {
			return tx.RemoveSegment(t.Context(), 0, map[int64]bool{0: true, 7: true, 5: true})
		})
	}
	require.ErrorIs(t, remove(epoch+1), audit.ErrFenced)
	require.NoError(t, remove(epoch))
	left, err := s.AuditHashRange(t.Context(), 0, int64(len(hashes)))
	require.NoError(t, err)
	root := audit.SegmentRootAt(0)
	require.Equal(t, map[int64]tlog.Hash{0: {}, 5: {}, 7: {}, root: {}, root + 1: {}}, left, "what is held, the root, and what comes after it")
	rows, err := s.AuditRows(t.Context(), 0, 9)
	require.NoError(t, err)
	require.Len(t, rows, 1)
	require.EqualValues(t, size, rows[0].Index)
	checkpoints, err := s.Checkpoints(t.Context(), 0, 9)
	require.NoError(t, err)
	require.Len(t, checkpoints, 1)
	got, err = s.Segments(t.Context())
	require.NoError(t, err)
	require.Equal(t, all[1:], got)
}
