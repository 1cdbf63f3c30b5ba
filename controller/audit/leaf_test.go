package audit_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
)

func example() audit.Event {
	return audit.Event{
		Time: time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC), Actor: "person:p1", Action: audit.MemberRevoke,
		Target: "connector/c-01", Outcome: audit.Success, Reason: "host/h\x00 \u2028 é", RequestID: "r1", Source: "192.0.2.1:1",
		Before: `{"status":"ONLINE"}`, After: `{"status":"REVOKED"}`,
	}
}

// TestLeafIsGolden: a changed encoding makes every older log look forged. A new
// one needs a new version, with this one still read.
func TestLeafIsGolden(t *testing.T) {
	t.Parallel()
	got, err := example().Leaf(1)
	require.NoError(t, err)
	want, err := os.ReadFile("testdata/event.v1.leaf")
	require.NoError(t, err)
	require.Equal(t, string(want), string(got))
	hash, err := example().LeafHash(1)
	require.NoError(t, err)
	require.Equal(t, "Kqtu22ZeuT5VPWkxvE28Y1GfhSM5GHYSNs8I+eGWpB4=", hash.String())
}

func TestLeafOfAnotherVersionIsAnError(t *testing.T) {
	t.Parallel()
	for _, v := range []int{-1, 0, 2} {
		_, err := example().Leaf(v)
		require.ErrorContains(t, err, "leaf version")
		_, err = example().LeafHash(v)
		require.Error(t, err)
	}
}

// TestNoTwoEventsHaveOneLeaf: moving a byte from one field to the next changes it.
func TestNoTwoEventsHaveOneLeaf(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for name, e := range map[string]audit.Event{
		"none": {}, "actor a": {Actor: "a"}, "action a": {Action: "a"}, "target a": {Target: "a"}, "outcome a": {Outcome: "a"},
		"reason a": {Reason: "a"}, "request a": {RequestID: "a"}, "source a": {Source: "a"}, "before a": {Before: "a"}, "after a": {After: "a"},
		"ab": {Actor: "a", Action: "b"}, "a comma b": {Actor: "a,1:b"}, "colons": {Actor: "1:a,"}, "time": {Time: time.UnixMicro(1)},
	} {
		leaf, err := e.Leaf(1)
		require.NoError(t, err)
		require.NotContains(t, seen, string(leaf), name)
		seen[string(leaf)] = name
	}
}

func TestStateMustBeShortJSON(t *testing.T) {
	t.Parallel()
	l, s := newLog(t), &memory{}
	text := func(length int) string { return `"` + strings.Repeat("a", length-2) + `"` }
	for name, e := range map[string]audit.Event{
		"no JSON":           {Before: "no"},
		"two":               {After: `{} {}`},
		"a byte too long":   {After: text(24<<10 + 1)},
		"before, too long":  {Before: text(25 << 10)},
		"much too long":     {After: text(1 << 20)},
		"of a known caller": {Actor: "key:k_1", After: text(1 << 20)},
	} {
		e.Action = audit.Enroll
		require.ErrorIs(t, l.Record(t.Context(), s, e), audit.ErrState, name)
	}
	require.Empty(t, s.events)
	require.NoError(t, l.Record(t.Context(), s, audit.Event{Action: audit.Enroll, Before: text(24 << 10), After: text(24 << 10)}), "as long as it may be")
}
