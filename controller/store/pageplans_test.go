package store_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/store"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/store/storetest"
)

// TestAPageIsReadFromWhereItBegins: it costs its own rows, however long the list is.
func TestAPageIsReadFromWhereItBegins(t *testing.T) {
	t.Parallel()
	s := open(t, storetest.File(t, filepath.Join(t.TempDir(), "controller.db")))
	defer func() { require.NoError(t, s.Close()) }()
	type planned struct {
		query string
		args  []any
		uses  string
	}
	all := map[string]planned{}
	for index, q := range map[string]enroll.TokenQuery{
		"tokens_created":  {Sort: enroll.ByCreation, Descending: true},
		"tokens_expires":  {Sort: enroll.ByExpiry, State: enroll.Revoked},
		"tokens_workload": {Sort: enroll.ByWorkload, Descending: true},
	} {
		query, args := store.TokenSQL(q, 1)
		all[index] = planned{query, args, "tokens USING INDEX " + index + " ("}
	}
	for index, q := range map[string]enroll.RequestQuery{
		"requests_created":  {Sort: enroll.ByCreation, Descending: true},
		"requests_expires":  {Sort: enroll.ByExpiry, State: enroll.RequestState(enroll.Denied)},
		"requests_workload": {Sort: enroll.ByWorkload, Search: "box"},
	} {
		query, args := store.RequestSQL(q, 1)
		all[index] = planned{query, args, "r USING INDEX " + index + " ("}
	}
	for index, q := range map[string]auth.SessionQuery{"sessions_created": {}, "sessions_person": {PersonID: "p"}, "sessions_devices": {Devices: true}} {
		query, args := store.SessionSQL(q)
		all[index] = planned{query, args, "sessions USING INDEX " + index + " ("}
	}
	for name, page := range map[string]func() (string, []any){"api_keys": store.KeySQL, "people": store.PeopleSQL} {
		query, args := page()
		all[name] = planned{query, args, name + " USING INDEX " + name + "_created ("}
	}
	for name, c := range all {
		plan, err := s.Plan(t.Context(), c.query, c.args...)
		require.NoError(t, err, name)
		text := strings.Join(plan, "\n")
		require.Contains(t, text, "SEARCH "+c.uses, name)
		require.NotContains(t, text, "TEMP B-TREE", name)
	}
}
