package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/replay"
)

func with(m fleet.Member, h fleet.Host) fleet.Member {
	m.HostID = h.ID
	return m
}

func networks(t *testing.T, open func(string) Store) {
	got, err := fresh(t, open).Networks(t.Context())
	require.NoError(t, err)
	same(t, []fleet.Network{{ID: fleet.DefaultNetwork, Name: "Default", Revision: 1}}, got)
}

func expiring(t *testing.T, open func(string) Store) {
	s := fresh(t, open)
	add := func(id string, at time.Time, edit func(*enroll.Token)) {
		tok := enroll.Token{ID: id, Workload: connector("a"), CreatedAt: start(), ExpiresAt: at}
		edit(&tok)
		within(t, s, func(tx enroll.Tx) error { return tx.InsertToken(t.Context(), tok, []byte(id)) })
	}
	until := start().Add(time.Minute)
	same := func(*enroll.Token) {}
	add("at the start", start(), same)
	add("within", start().Add(time.Microsecond), same)
	add("at the end", until, same)
	add("later", until.Add(time.Microsecond), same)
	add("redeemed", until, func(t *enroll.Token) { t.ClaimedAt = start() })
	add("revoked", until, func(t *enroll.Token) { t.RevokedAt = start() })
	got, err := s.ExpiredTokens(t.Context(), start(), until)
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"within", "at the end"}, got)
}

func requests(t *testing.T, open func(string) Store) {
	s := fresh(t, open)
	long := start().Add(-time.Hour)
	first := replay.Request{Actor: "key:a", Key: "k", Fingerprint: []byte{1}, StartedAt: start()}
	begin := func(r replay.Request, expired time.Time) *replay.Record {
		t.Helper()
		got, err := s.BeginRequest(t.Context(), r, expired)
		require.NoError(t, err)
		return got
	}
	require.Nil(t, begin(first, long))
	again := first
	again.Fingerprint, again.StartedAt = []byte{2}, start().Add(time.Minute)
	same(t, &replay.Record{Request: first, Body: []byte{}}, begin(again, long))

	done := replay.Record{Request: first, Status: 201, Body: []byte("{}"), Resource: "tok_1"}
	require.NoError(t, s.FinishRequest(t.Context(), done))
	same(t, &done, begin(again, long))
	require.NoError(t, s.ForgetRequest(t.Context(), first.Actor, first.Key))
	same(t, &done, begin(again, long))

	other := first
	other.Actor = "key:b"
	require.Nil(t, begin(other, long), "a key is its actor's own")
	require.NoError(t, s.ForgetRequest(t.Context(), other.Actor, other.Key))
	require.Nil(t, begin(other, long), "what was forgotten can begin")
	require.Nil(t, begin(again, start()), "what expired can begin")
}
