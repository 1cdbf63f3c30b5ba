package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
)

func person(id, email string) auth.Person {
	return auth.Person{
		ID: id, Email: email, Name: "Ada Böx", Role: auth.Owner, PasswordHash: "$argon2id$", TOTPSeed: []byte{1, 0}, TOTPPending: []byte{2},
		TOTPStep: 7, CreatedAt: start(), LastSignInAt: start().Add(time.Minute), DisabledAt: start().Add(time.Hour),
	}
}

func inAuth(t *testing.T, s Store, fn func(tx auth.Tx) error) {
	t.Helper()
	require.NoError(t, s.AuthTx(t.Context(), fn))
}

func people(t *testing.T, open func(string) Store) {
	s := fresh(t, open)
	local, federated := person("p1", "ada@example.com"), person("p2", "ada@example.com")
	federated.Issuer, federated.Subject, federated.CreatedAt = "https://idp", "sub", start().Add(time.Second)
	inAuth(t, s, func(tx auth.Tx) error {
		require.NoError(t, tx.PutPerson(t.Context(), federated))
		return tx.PutPerson(t.Context(), local)
	})
	rows := s.AuthRows()
	all, err := rows.People(t.Context())
	require.NoError(t, err)
	same(t, []auth.Person{local, federated}, all)
	got, err := rows.LocalPerson(t.Context(), "ada@example.com")
	require.NoError(t, err)
	same(t, local, got)
	got, err = rows.FederatedPerson(t.Context(), "https://idp", "sub")
	require.NoError(t, err)
	same(t, federated, got)
	_, err = rows.FederatedPerson(t.Context(), "", "")
	require.ErrorIs(t, err, auth.ErrPersonNotFound, "a local person is nobody's subject")
	_, err = rows.FederatedPerson(t.Context(), "https://other", "sub")
	require.ErrorIs(t, err, auth.ErrPersonNotFound, "a subject is one within its issuer")
	_, err = rows.LocalPerson(t.Context(), "%")
	require.ErrorIs(t, err, auth.ErrPersonNotFound)

	require.Error(t, rows.PutPerson(t.Context(), person("p3", "ada@example.com")), "an address is one local person's")
	twin := federated
	twin.ID = "p3"
	require.Error(t, rows.PutPerson(t.Context(), twin), "a subject is one person's")

	changed := local
	changed.Email, changed.Name, changed.Role, changed.PasswordHash, changed.TOTPSeed, changed.TOTPStep, changed.DisabledAt = "b@x", "B", auth.Auditor, "", nil, 8, time.Time{}
	moved := changed
	moved.Issuer, moved.Subject, moved.CreatedAt = "https://idp", "another", start().Add(time.Hour) // never change
	require.NoError(t, rows.PutPerson(t.Context(), moved))
	got, err = rows.Person(t.Context(), "p1")
	require.NoError(t, err)
	same(t, changed, got)

	require.Error(t, s.AuthTx(t.Context(), func(tx auth.Tx) error {
		require.NoError(t, tx.DeletePerson(t.Context(), "p1"))
		require.NoError(t, tx.AppendAudit(t.Context(), audit.Event{Action: audit.PersonDelete}))
		return errStop
	}))
	_, err = rows.Person(t.Context(), "p1")
	require.NoError(t, err, "undone")
	events, err := s.AuditSince(t.Context(), time.Time{})
	require.NoError(t, err)
	require.Empty(t, events)
}

func sessions(t *testing.T, open func(string) Store) {
	s := fresh(t, open)
	rows := s.AuthRows()
	require.NoError(t, rows.PutPerson(t.Context(), person("p1", "a@x")))
	require.NoError(t, rows.PutPerson(t.Context(), person("p2", "b@x")))
	make := func(id, who string, n byte) auth.Session {
		it := auth.Session{
			ID: id, PersonID: who, Method: auth.ByOIDC, Source: "192.0.2.1", UserAgent: "ü", CreatedAt: start().Add(time.Duration(n) * time.Second),
			LastSeenAt: start(), ExpiresAt: start().Add(time.Hour), StepUpUntil: start().Add(time.Minute),
		}
		require.NoError(t, rows.InsertSession(t.Context(), it, []byte{n}))
		return it
	}
	one, two, other := make("s1", "p1", 1), make("s2", "p1", 2), make("s3", "p2", 3)
	require.Error(t, rows.InsertSession(t.Context(), auth.Session{ID: "s4", PersonID: "p1"}, []byte{1}), "a secret is one session's")
	require.Error(t, rows.InsertSession(t.Context(), auth.Session{ID: "s4", PersonID: "nobody"}, []byte{4}))
	all, total, err := rows.SessionPage(t.Context(), auth.SessionQuery{Now: start()}, auth.Place{}, 9)
	require.NoError(t, err)
	require.Equal(t, 3, total)
	same(t, []auth.Session{other, two, one}, all)
	all, total, err = rows.SessionPage(t.Context(), auth.SessionQuery{PersonID: "p1", Now: start()}, auth.Place{}, 1)
	require.NoError(t, err)
	require.Equal(t, 2, total)
	same(t, []auth.Session{two}, all)

	require.NoError(t, rows.RenewSession(t.Context(), "s1", []byte{9}, start().Add(time.Hour)))
	_, err = rows.SessionByHash(t.Context(), []byte{1})
	require.ErrorIs(t, err, auth.ErrSessionNotFound, "the secret before is of no use")
	require.ErrorIs(t, rows.RenewSession(t.Context(), "s9", []byte{10}, start()), auth.ErrSessionNotFound)
	require.NoError(t, rows.TouchSession(t.Context(), "s1", start().Add(time.Minute)))
	require.NoError(t, rows.TouchSession(t.Context(), "s1", start()))
	got, err := rows.SessionByHash(t.Context(), []byte{9})
	require.NoError(t, err)
	one.StepUpUntil, one.LastSeenAt = start().Add(time.Hour), start().Add(time.Minute)
	same(t, one, got)

	require.NoError(t, rows.DeleteSessions(t.Context(), "p1", "s1"))
	_, err = rows.SessionByID(t.Context(), "s2")
	require.ErrorIs(t, err, auth.ErrSessionNotFound)
	require.NoError(t, rows.DropSessions(t.Context(), start(), start().Add(time.Microsecond)))
	_, err = rows.SessionByID(t.Context(), "s3")
	require.ErrorIs(t, err, auth.ErrSessionNotFound, "was idle")
	cli := auth.Session{ID: "s5", PersonID: "p2", Method: auth.ByDevice, LastSeenAt: start(), ExpiresAt: start().Add(time.Hour)}
	require.NoError(t, rows.InsertSession(t.Context(), cli, []byte{5}))
	require.NoError(t, rows.DropSessions(t.Context(), start(), start().Add(time.Microsecond)))
	_, err = rows.SessionByID(t.Context(), "s5")
	require.NoError(t, err, "a command line does not idle out")
	require.NoError(t, rows.DropSessions(t.Context(), start().Add(2*time.Hour), start()))
	_, err = rows.SessionByID(t.Context(), "s5")
	require.ErrorIs(t, err, auth.ErrSessionNotFound, "has expired")
	require.NoError(t, rows.DeletePerson(t.Context(), "p1"))
	_, err = rows.SessionByID(t.Context(), "s1")
	require.ErrorIs(t, err, auth.ErrSessionNotFound, "goes with the person")
}

func recoveryCodes(t *testing.T, open func(string) Store) {
	s := fresh(t, open)
	rows := s.AuthRows()
	require.NoError(t, rows.PutPerson(t.Context(), person("p1", "a@x")))
	require.NoError(t, rows.PutPerson(t.Context(), person("p2", "b@x")))
	require.NoError(t, rows.SetRecoveryCodes(t.Context(), "p1", [][]byte{{1}, {2}}))
	for _, want := range []struct {
		who  string
		code byte
		ok   bool
	}{{"p2", 1, false}, {"p1", 1, true}, {"p1", 1, false}, {"p1", 3, false}} {
		ok, err := rows.SpendRecoveryCode(t.Context(), want.who, []byte{want.code})
		require.NoError(t, err)
		require.Equal(t, want.ok, ok, want)
	}
	n, err := rows.CountRecoveryCodes(t.Context(), "p1")
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.NoError(t, rows.SetRecoveryCodes(t.Context(), "p1", nil))
	ok, err := rows.SpendRecoveryCode(t.Context(), "p1", []byte{2})
	require.NoError(t, err)
	require.False(t, ok)
}

func signInState(t *testing.T, open func(string) Store) {
	s := fresh(t, open)
	rows := s.AuthRows()
	f := auth.Failures{Count: 3, LastAt: start(), LockedUntil: start().Add(time.Minute)}
	require.NoError(t, rows.PutFailures(t.Context(), []byte{1}, auth.Failures{Count: 1}))
	require.NoError(t, rows.PutFailures(t.Context(), []byte{1}, f))
	got, err := rows.Failures(t.Context(), []byte{1})
	require.NoError(t, err)
	same(t, f, got)
	require.NoError(t, rows.DropFailuresBefore(t.Context(), start()))
	got, err = rows.Failures(t.Context(), []byte{1})
	require.NoError(t, err)
	same(t, f, got)
	require.NoError(t, rows.DropFailuresBefore(t.Context(), start().Add(time.Second)))
	got, err = rows.Failures(t.Context(), []byte{1})
	require.NoError(t, err)
	same(t, auth.Failures{}, got)
	for i := range 5 {
		require.NoError(t, rows.PutFailures(t.Context(), []byte{byte(i)}, auth.Failures{Count: i + 1, LastAt: start().Add(time.Duration(i) * time.Second)}))
	}
	require.NoError(t, rows.KeepFailures(t.Context(), 2))
	for i := range 5 {
		got, err = rows.Failures(t.Context(), []byte{byte(i)})
		require.NoError(t, err)
		require.Equal(t, i >= 3, got.Count > 0, "the newest stay")
	}

	require.NoError(t, rows.PutPerson(t.Context(), person("p1", "a@x")))
	first := auth.Link{CreatedAt: start(), ExpiresAt: start().Add(time.Hour)}
	theirs := auth.Link{PersonID: "p1", CreatedAt: start(), ExpiresAt: start().Add(time.Hour)}
	require.NoError(t, rows.InsertLink(t.Context(), first, []byte{1}))
	require.NoError(t, rows.InsertLink(t.Context(), theirs, []byte{2}))
	require.NoError(t, rows.DeleteLinks(t.Context(), ""))
	_, err = rows.LinkByHash(t.Context(), []byte{1})
	require.ErrorIs(t, err, auth.ErrLinkNotFound)
	link, err := rows.LinkByHash(t.Context(), []byte{2})
	require.NoError(t, err)
	same(t, theirs, link)

	older := auth.SigningKey{ID: "a", Seed: []byte{1}, CreatedAt: start()}
	newer := auth.SigningKey{ID: "b", Seed: []byte{2}, CreatedAt: start().Add(time.Hour)}
	require.NoError(t, rows.InsertSigningKey(t.Context(), older))
	require.NoError(t, rows.InsertSigningKey(t.Context(), newer))
	keys, err := rows.SigningKeys(t.Context())
	require.NoError(t, err)
	same(t, []auth.SigningKey{newer, older}, keys)
	require.NoError(t, rows.DeleteSigningKeysBefore(t.Context(), newer.CreatedAt))
	keys, err = rows.SigningKeys(t.Context())
	require.NoError(t, err)
	same(t, []auth.SigningKey{newer}, keys)
}
