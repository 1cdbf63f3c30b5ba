package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// tokenPages: pages of any order and size give what one page of everything gives.
func tokenPages(t *testing.T, open func(string) Store) {
	s := fresh(t, open)
	now := start().Add(time.Hour)
	// Each key is that of several tokens, so that pages end between equal ones.
	within(t, s, func(tx enroll.Tx) error {
		for i := range 12 {
			tok := enroll.Token{
				ID: fmt.Sprintf("tok_%02d", (i*7)%12), Workload: identity.Workload{Kind: identity.KindConnector, ID: fmt.Sprintf("c-%d", i%5)},
				CreatedBy: "key:K", CreatedAt: start().Add(time.Duration(i%4) * time.Second), ExpiresAt: now.Add(time.Duration(i%3-1) * time.Minute),
			}
			switch i % 6 {
			case 1:
				tok.ClaimedAt, tok.HostID = start(), identity.HostID("abcd")
			case 2:
				tok.RevokedAt = start()
			case 3:
				tok.ClaimedAt, tok.RevokedAt = start(), start()
			}
			if err := tx.InsertToken(t.Context(), tok, []byte{byte(i)}); err != nil {
				return err
			}
		}
		return nil
	})
	page := func(q enroll.TokenQuery) fleet.Page[enroll.Token] {
		q.Now = now
		p, err := s.TokenPage(t.Context(), q)
		require.NoError(t, err)
		return p
	}
	key := map[enroll.Sort]func(enroll.Token) string{
		enroll.ByWorkload: func(t enroll.Token) string { return t.Workload.ID },
		enroll.ByCreation: func(t enroll.Token) string { return fleet.TimeKey(t.CreatedAt) },
		enroll.ByExpiry:   func(t enroll.Token) string { return fleet.TimeKey(t.ExpiresAt) },
		enroll.ByState:    func(t enroll.Token) string { return string(t.State(now)) },
	}
	for sort, of := range key {
		inPages(t, sort, page, func(t enroll.Token) string { return of(t) + " " + t.ID })
	}
	all := page(enroll.TokenQuery{Sort: enroll.ByCreation, Limit: 100}).Items
	for _, state := range []enroll.State{enroll.Pending, enroll.Redeemed, enroll.Expired, enroll.Revoked} {
		p := page(enroll.TokenQuery{Sort: enroll.ByCreation, Limit: 1, State: state})
		want := slices.DeleteFunc(slices.Clone(all), func(t enroll.Token) bool { return t.State(now) != state })
		require.NotEmpty(t, want)
		require.Equal(t, len(want), p.Total, state)
		require.Equal(t, want[0].ID, p.Items[0].ID, state)
	}
	for text, total := range map[string]int{
		"TOK_03": 1, "connector/c-4": 2, "KEY:k": 12, "ABCD": 2, "tunneler": 0, "%": 0, "_": 12, "'": 0, `\\`: 0,
	} {
		require.Equal(t, total, page(enroll.TokenQuery{Sort: enroll.ByWorkload, Limit: 3, Search: text}).Total, text)
	}
	for _, key := range []string{"", "x", "01", "+1", " 1", "1e3", "99999999999999999999"} {
		_, err := s.TokenPage(t.Context(), enroll.TokenQuery{Sort: enroll.ByCreation, Limit: 1, After: fleet.Place{Key: key, ID: "tok_01"}})
		require.ErrorIs(t, err, fleet.ErrPlace, key)
	}
}

// inPages reads a list of twelve in pages of several sizes, which together are the list.
func inPages[T any, S ~string](t *testing.T, sort enroll.Sort, page func(enroll.PageQuery[S]) fleet.Page[T], placeOf func(T) string) {
	t.Helper()
	for _, descending := range []bool{false, true} {
		q := enroll.PageQuery[S]{Sort: sort, Descending: descending, Limit: 100}
		whole := page(q)
		require.Len(t, whole.Items, 12)
		require.Zero(t, whole.Next)
		places := make([]string, 12)
		for i, it := range whole.Items {
			places[i] = placeOf(it)
		}
		if descending {
			slices.Reverse(places)
		}
		require.True(t, slices.IsSorted(places), "%s: %v", sort, places)
		for _, q.Limit = range []int{1, 5, 11, 12} {
			var got []T
			for q.After = (fleet.Place{}); ; {
				p := page(q)
				require.Equal(t, 12, p.Total)
				got = append(got, p.Items...)
				if q.After = p.Next; q.After == (fleet.Place{}) {
					break
				}
			}
			same(t, whole.Items, got)
		}
	}
}

// requestPages: as tokenPages, of requests, whose last state is that of a token.
func requestPages(t *testing.T, open func(string) Store) {
	s := fresh(t, open)
	now := start().Add(time.Hour)
	within(t, s, func(tx enroll.Tx) error {
		for i := range 12 {
			r := enroll.Request{
				ID: fmt.Sprintf("req_%02d", (i*7)%12), Code: fmt.Sprintf("BCDF-GH%02d", i), Workload: identity.Workload{Kind: identity.KindConnector, ID: fmt.Sprintf("c-%d", i%5)},
				Facts: enroll.Facts{Hostname: fmt.Sprintf("Box%d", i%3)}, Fingerprint: "SECRET", Source: "192.0.2.7", KeyHash: []byte{byte(i)},
				CreatedAt: start().Add(time.Duration(i%4) * time.Second), ExpiresAt: now.Add(time.Duration(i%3-1) * time.Minute),
			}
			switch i % 6 {
			case 1:
				r.Decision, r.DecidedBy = enroll.Denied, "person:Ann"
			case 2, 3:
				r.Decision, r.DecidedBy, r.TokenID = enroll.Approved, "person:bob", fmt.Sprintf("tok_%d", i)
				tok := enroll.Token{ID: r.TokenID, Workload: r.Workload}
				if i%6 == 3 {
					tok.ClaimedAt, tok.HostID = start(), "abcd"
				}
				if err := tx.InsertToken(t.Context(), tok, []byte{byte(i)}); err != nil {
					return err
				}
			case 4:
				r.Decision = enroll.Withdrawn
			}
			if err := tx.InsertRequest(t.Context(), r); err != nil {
				return err
			}
		}
		return nil
	})
	page := func(q enroll.RequestQuery) fleet.Page[enroll.Request] {
		q.Now = now
		p, err := s.RequestPage(t.Context(), q)
		require.NoError(t, err)
		return p
	}
	for sort, of := range map[enroll.Sort]func(enroll.Request) string{
		enroll.ByWorkload: func(r enroll.Request) string { return r.Workload.ID },
		enroll.ByCreation: func(r enroll.Request) string { return fleet.TimeKey(r.CreatedAt) },
		enroll.ByExpiry:   func(r enroll.Request) string { return fleet.TimeKey(r.ExpiresAt) },
		enroll.ByState:    func(r enroll.Request) string { return string(r.State(now)) },
	} {
		inPages(t, sort, page, func(r enroll.Request) string { return of(r) + " " + r.ID })
	}
	all := page(enroll.RequestQuery{Sort: enroll.ByCreation, Limit: 100}).Items
	for _, state := range []enroll.RequestState{"pending", "expired", "denied", "approved", "enrolled", "withdrawn"} {
		p := page(enroll.RequestQuery{Sort: enroll.ByCreation, Limit: 1, State: state})
		want := slices.DeleteFunc(slices.Clone(all), func(r enroll.Request) bool { return r.State(now) != state })
		require.NotEmpty(t, want, state)
		require.Equal(t, len(want), p.Total, state)
		same(t, want[:1], p.Items)
	}
	for text, total := range map[string]int{
		"REQ_03": 1, "bcdf-gh11": 1, "connector/c-4": 2, "box2": 4, "192.0.2.7": 12, "person:ANN": 2, "abcd": 2, "secret": 0, "tunneler": 0, "%": 0, "'": 0,
	} {
		require.Equal(t, total, page(enroll.RequestQuery{Sort: enroll.ByWorkload, Limit: 3, Search: text}).Total, text)
	}
	_, err := s.RequestPage(t.Context(), enroll.RequestQuery{Sort: enroll.ByExpiry, Limit: 1, After: fleet.Place{Key: "x", ID: "req_01"}})
	require.ErrorIs(t, err, fleet.ErrPlace)
}

// sessionPages: the newest first, and only those that live.
func sessionPages(t *testing.T, open func(string) Store) {
	s := fresh(t, open)
	rows := s.AuthRows()
	require.NoError(t, rows.PutPerson(t.Context(), person("p0", "a@x")))
	require.NoError(t, rows.PutPerson(t.Context(), person("p1", "b@x")))
	now := start().Add(time.Hour)
	var all []auth.Session
	for i := range 24 {
		it := auth.Session{
			ID: fmt.Sprintf("s%02d", i), PersonID: fmt.Sprintf("p%d", i%2), Method: auth.ByPassword, CreatedAt: start().Add(time.Duration(i/3) * time.Second),
			LastSeenAt: now, ExpiresAt: now.Add(time.Microsecond),
		}
		switch i % 6 {
		case 1:
			it.Method, it.LastSeenAt = auth.ByDevice, start() // which does not end by not being used
		case 2:
			it.ExpiresAt = now
		case 3:
			it.LastSeenAt = now.Add(-auth.SessionIdle)
		case 4:
			it.LastSeenAt = now.Add(-auth.SessionIdle + time.Microsecond)
		}
		require.NoError(t, rows.InsertSession(t.Context(), it, []byte{byte(i)}))
		all = append(all, it)
	}
	slices.Reverse(all)
	for _, q := range []auth.SessionQuery{{}, {PersonID: "p0"}, {PersonID: "p1"}, {Devices: true}, {PersonID: "p1", Devices: true}, {PersonID: "p0", Devices: true}} {
		want := slices.DeleteFunc(slices.Clone(all), func(it auth.Session) bool {
			return !it.Live(now) || q.PersonID != "" && it.PersonID != q.PersonID || q.Devices && it.Method != auth.ByDevice
		})
		q.Now = now
		for limit := 1; limit <= 17; limit++ {
			var got []auth.Session
			for after := (auth.Place{}); ; {
				page, total, err := rows.SessionPage(t.Context(), q, after, limit)
				require.NoError(t, err)
				require.Equal(t, len(want), total)
				if len(page) == 0 {
					break
				}
				got = append(got, page...)
				after = auth.Place{At: page[len(page)-1].CreatedAt, ID: page[len(page)-1].ID}
			}
			same(t, want, got)
		}
	}
}

// pagesByCreation: keys are listed newest first, people oldest first.
func pagesByCreation(t *testing.T, open func(string) Store) {
	s := fresh(t, open)
	rows := s.AuthRows()
	var ids []string
	for i := range 7 {
		id, at := fmt.Sprintf("x%d", i), start().Add(time.Duration(i/2)*time.Second)
		ids = append(ids, id)
		require.NoError(t, rows.InsertKey(t.Context(), auth.Key{ID: id, CreatedAt: at}, []byte{byte(i)}))
		require.NoError(t, rows.PutPerson(t.Context(), auth.Person{ID: id, Email: id, Role: auth.Auditor, CreatedAt: at}))
	}
	for limit := 1; limit <= 8; limit++ {
		var keys, people []string
		for after := (auth.Place{}); len(keys) < 7; {
			page, total, err := rows.KeyPage(t.Context(), after, limit)
			require.NoError(t, err)
			require.Equal(t, 7, total)
			require.NotEmpty(t, page)
			for _, k := range page {
				keys, after = append(keys, k.ID), auth.Place{At: k.CreatedAt, ID: k.ID}
			}
		}
		for after := (auth.Place{}); len(people) < 7; {
			page, total, err := rows.PersonPage(t.Context(), after, limit)
			require.NoError(t, err)
			require.Equal(t, 7, total)
			require.NotEmpty(t, page)
			for _, p := range page {
				people, after = append(people, p.ID), auth.Place{At: p.CreatedAt, ID: p.ID}
			}
		}
		require.Equal(t, ids, people)
		slices.Reverse(keys)
		require.Equal(t, ids, keys)
	}
}
