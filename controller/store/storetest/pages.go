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
		for _, descending := range []bool{false, true} {
			q := enroll.TokenQuery{Sort: sort, Descending: descending, Limit: 100}
			whole := page(q)
			require.Len(t, whole.Items, 12)
			require.Zero(t, whole.Next)
			places := make([]string, 12)
			for i, tok := range whole.Items {
				places[i] = of(tok) + " " + tok.ID
			}
			if descending {
				slices.Reverse(places)
			}
			require.True(t, slices.IsSorted(places), "%s: %v", sort, places)
			for _, q.Limit = range []int{1, 5, 11, 12} {
				var got []enroll.Token
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
