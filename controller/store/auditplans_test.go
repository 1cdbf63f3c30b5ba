package store_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/store"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/store/storetest"
)

// TestNoQueryOfTheAuditLogReadsAllOfIt: each one begins at a place that an index finds, goes on
// in the order of the index, and sorts nothing. With the LIMIT that it has it reads a window.
func TestNoQueryOfTheAuditLogReadsAllOfIt(t *testing.T) {
	t.Parallel()
	s := open(t, storetest.File(t, filepath.Join(t.TempDir(), "controller.db")))
	defer func() { require.NoError(t, s.Close()) }()
	type planned struct {
		query string
		args  []any
		uses  string
	}
	all := map[string]planned{
		"the event before a time": {store.LastBefore, []any{1}, "USING COVERING INDEX audit_time (time<?)"},
		"the event after a time":  {store.FirstBehind, []any{1}, "USING COVERING INDEX audit_time (time>?)"},
		"the events of an action": {store.AuditOfSQL, []any{"a", 1, 1}, "USING INDEX audit_action (action=? AND seq<?)"},
		"the renewals of an hour": {store.RenewalsBetween, []any{1, 2, 3}, "svid_renewals USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"},
	}
	const byKey, key, member = "INTEGER PRIMARY KEY (rowid", "(%=? AND seq", "svid_renewals USING INDEX svid_renewals_member (member=? AND seq"
	index := func(column string) string {
		return "audit USING INDEX audit_" + column + " " + strings.Replace(key, "%", column, 1)
	}
	for name, c := range map[string]struct {
		q    audit.Query
		uses string
	}{
		"all":               {audit.Query{}, byKey},
		"a later page":      {audit.Query{After: 7}, byKey},
		"oldest first":      {audit.Query{Oldest: true}, byKey},
		"by target":         {audit.Query{Target: "a", Actor: "b"}, index("target")},
		"by target, later":  {audit.Query{Target: "a", After: 7}, index("target")},
		"by target, oldest": {audit.Query{Target: "a", Oldest: true, After: 7}, index("target")},
		"by actor":          {audit.Query{Actor: "a", Action: "b"}, index("actor")},
		"by action":         {audit.Query{Action: "a", Outcome: "b"}, index("action")},
		"by outcome":        {audit.Query{Outcome: "a"}, index("outcome")},
		"by a beginning":    {audit.Query{Target: "a*"}, byKey},
		"by text":           {audit.Query{Text: "a"}, byKey},
		"by level":          {audit.Query{Level: audit.Alert}, byKey},
	} {
		query, args := store.AuditSQL(c.q)
		all["events: "+name] = planned{query, args, c.uses}
	}
	for name, c := range map[string]struct {
		q    audit.RenewalQuery
		uses string
	}{
		"all":               {audit.RenewalQuery{}, byKey},
		"oldest first":      {audit.RenewalQuery{Oldest: true}, byKey},
		"by member":         {audit.RenewalQuery{Member: "a"}, member},
		"by member, oldest": {audit.RenewalQuery{Member: "a", Oldest: true, After: 3}, member},
		"by serial":         {audit.RenewalQuery{Serial: "a"}, byKey},
	} {
		query, args := store.RenewalSQL(c.q)
		all["renewals: "+name] = planned{query, args, c.uses}
	}
	for name, c := range all {
		plan, err := s.Plan(t.Context(), c.query, c.args...)
		require.NoError(t, err, name)
		text := strings.Join(plan, "\n")
		require.Contains(t, text, c.uses, name)
		require.NotContains(t, text, "SCAN", name)
		require.NotContains(t, text, "TEMP B-TREE", name)
	}
	t.Run("the total is that of the ends", func(t *testing.T) {
		plan, err := s.Plan(t.Context(), store.AuditTotalSQL)
		require.NoError(t, err)
		for _, step := range plan {
			if strings.Contains(step, "SCAN audit") {
				require.Contains(t, step, "COVERING INDEX audit_pending", "what waits for its place, a second of events")
			}
		}
	})
}
