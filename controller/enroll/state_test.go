package enroll_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll/enrolltest"
)

// TestEachChangeSaysWhatWasBeforeAndAfter names of each state the fields that the
// change is about; one that is not named is not looked at.
func TestEachChangeSaysWhatWasBeforeAndAfter(t *testing.T) {
	t.Parallel()
	type state = map[string]any
	create := func(t *testing.T, w *world) enroll.Token {
		tok, _ := w.token(t, enroll.TokenRequest{Workload: connector})
		return tok
	}
	for name, tc := range map[string]struct {
		do            func(t *testing.T, w *world)
		action        audit.Action
		before, after state
	}{
		"a token is made": {
			func(t *testing.T, w *world) { create(t, w) },
			audit.TokenCreate, nil,
			state{"status": "pending", "workload": connector.String(), "delivery": "plain"},
		},
		"a token is revoked": {
			func(t *testing.T, w *world) {
				require.NoError(t, w.Revoke(t.Context(), create(t, w).ID, operator, "r", "192.0.2.1"))
			},
			audit.TokenRevoke,
			state{"status": "pending", "revoked_at": nil},
			state{"status": "revoked"},
		},
		"a claim link is opened twice": {
			func(t *testing.T, w *world) {
				_, code := w.link(t)
				_, _, err := w.OpenClaim(t.Context(), opening(code, "192.0.2.1"))
				require.NoError(t, err)
				_, _, err = w.OpenClaim(t.Context(), opening(code, "192.0.2.2"))
				require.ErrorIs(t, err, enroll.ErrClaimRefused)
			},
			audit.TokenRevoke,
			state{"status": "pending"},
			state{"status": "revoked", "delivery": "claim"},
		},
		"a host enrolls": {
			func(t *testing.T, w *world) {
				_, text := w.token(t, enroll.TokenRequest{Workload: connector})
				_, err := w.Redeem(t.Context(), redemption(text, connector, enrolltest.NewKey(t)))
				require.NoError(t, err)
			},
			audit.Enroll, nil,
			state{"status": "enrolled"},
		},
		"a host replaces another": {
			func(t *testing.T, w *world) {
				for range 2 {
					_, text := w.token(t, enroll.TokenRequest{Workload: connector, Replace: true})
					_, err := w.Redeem(t.Context(), redemption(text, connector, enrolltest.NewKey(t)))
					require.NoError(t, err)
				}
			},
			audit.Enroll,
			state{"status": "enrolled"},
			state{"status": "enrolled"},
		},
		"a second key tries the token": {
			func(t *testing.T, w *world) {
				_, text := w.token(t, enroll.TokenRequest{Workload: connector})
				_, err := w.Redeem(t.Context(), redemption(text, connector, enrolltest.NewKey(t)))
				require.NoError(t, err)
				_, err = w.Redeem(t.Context(), redemption(text, connector, enrolltest.NewKey(t)))
				require.Error(t, err)
			},
			audit.HostContest,
			state{"status": "enrolled", "contested_at": nil},
			state{"status": "enrolled"},
		},
		"a host asks": {
			func(t *testing.T, w *world) { w.ask(t, connector, enrolltest.NewKey(t)) },
			audit.RequestCreate, nil,
			state{"status": "pending", "workload": connector.String()},
		},
		"a host asks for something else": {
			func(t *testing.T, w *world) {
				key := enrolltest.NewKey(t)
				w.ask(t, connector, key)
				w.ask(t, tunneler, key)
			},
			audit.RequestWithdraw,
			state{"status": "pending"},
			state{"status": "withdrawn"},
		},
		"a request is approved": {
			func(t *testing.T, w *world) {
				v := approval(w.ask(t, connector, enrolltest.NewKey(t)))
				v.Replace = true
				_, err := w.Approve(t.Context(), v)
				require.NoError(t, err)
			},
			audit.RequestApprove,
			state{"status": "pending", "token": nil, "replace": nil},
			state{"status": "approved", "decided_by": operator, "replace": true},
		},
		"a fingerprint is wrong": {
			func(t *testing.T, w *world) {
				v := approval(w.ask(t, connector, enrolltest.NewKey(t)))
				v.Fingerprint = "0000-0000-0000-0000-0000-0000"
				_, err := w.Approve(t.Context(), v)
				require.ErrorIs(t, err, enroll.ErrFingerprint)
			},
			audit.RequestApprove,
			state{"status": "pending", "mismatches": nil},
			state{"status": "pending", "mismatches": 1.0},
		},
		"a request is denied": {
			func(t *testing.T, w *world) {
				_, err := w.Deny(t.Context(), approval(w.ask(t, connector, enrolltest.NewKey(t))))
				require.NoError(t, err)
			},
			audit.RequestDeny,
			state{"status": "pending", "decided_by": nil},
			state{"status": "denied", "decided_by": operator},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			tc.do(t, w)
			events, err := w.store.AuditSince(t.Context(), time.Time{})
			require.NoError(t, err)
			var e audit.Event // the last of its kind
			for _, next := range events {
				if next.Action == tc.action {
					e = next
				}
			}
			requireState(t, tc.before, e.Before)
			requireState(t, tc.after, e.After)
			require.NotEqual(t, e.Before, e.After)
		})
	}
}

func requireState(t *testing.T, want map[string]any, text string) {
	t.Helper()
	if want == nil {
		require.Empty(t, text)
		return
	}
	var got map[string]any
	require.NoError(t, json.Unmarshal([]byte(text), &got))
	for name, value := range want {
		require.Equal(t, value, got[name], "%s in %s", name, text)
	}
}
