package doctor_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/doctor"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/health"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/hostagent"
)

const member = "spiffe://mycorp.internal/connector/gw"

// stands has the controller say this to whoever may show it the host certificate.
func (h *host) stands(s hostagent.Standing, members ...string) {
	h.Standing = func(context.Context) (hostagent.Standing, []string, error) { return s, members, nil }
}

// notice is what the supervisor of the agent left beside the socket.
func (h *host) notice(n hostagent.Notice) {
	n.At = time.Now()
	raw, err := json.Marshal(n)
	require.NoError(h.t, err)
	require.NoError(h.t, os.WriteFile(hostagent.NoticePath(h.Socket), raw, 0o600))
}

// TestARevokedHostIsToldFirstAndNothingThatFollowsFromIt: eleven findings about units,
// sockets and identities hid the one that mattered.
func TestARevokedHostIsToldFirstAndNothingThatFollowsFromIt(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		revoke    func(*host)
		found, do string
	}{
		"the controller says so":          {func(h *host) { h.stands(hostagent.StandingRevoked) }, "revoked: enroll anew (the controller says so)", "enroll --new-host"},
		"the controller does not know it": {func(h *host) { h.stands(hostagent.StandingUnknown) }, "not known to the controller: enroll anew", "enroll --new-host"},
		"only the other member is left":   {func(h *host) { h.stands(hostagent.StandingActive, "spiffe://mycorp.internal/tunneler/t") }, "revoked: enroll anew: " + member + " is not enrolled on", "grpcconnector enroll`"},
		"for a user who is not root": {func(h *host) {
			h.Standing = func(context.Context) (hostagent.Standing, []string, error) {
				return "", nil, os.ErrPermission
			}
			h.notice(hostagent.Notice{Standing: hostagent.StandingRevoked})
		}, "revoked: enroll anew (the controller told the supervisor of the agent so)", "enroll --new-host"},
		"by the program alone": {func(h *host) {
			h.doc.Checks[1] = health.Check{Name: "control_stream", Detail: "rpc error: code = PermissionDenied desc = not enrolled, or revoked"}
		}, "revoked: enroll anew (the controller told the program so", "enroll --new-host"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t)
			tc.revoke(h)
			// All that follows: a banned agent, no socket, a program without identity.
			h.unit("spire-agent.service", "ActiveState=activating", "SubState=auto-restart", "NRestarts=7")
			h.doc.SVID = nil
			h.agent.Stop()
			r := h.examine()
			require.False(t, r.Healthy)
			require.Equal(t, 1, r.Count(doctor.Fault), "%+v", r.Findings)
			first := r.Findings[0]
			require.Equal(t, "enrollment", first.Check)
			require.Equal(t, doctor.Fault, first.Level)
			require.Contains(t, first.Found, tc.found)
			require.Contains(t, first.Do, tc.do)
			for _, f := range r.Findings[1:] {
				require.Contains(t, []string{"conf", "trust", "clock", "leftover_token"}, f.Check)
			}
		})
	}
}

func TestAMemberOfAnEnrolledHostIsFine(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.stands(hostagent.StandingActive, member, "spiffe://mycorp.internal/tunneler/t")
	r := h.examine()
	require.True(t, r.Healthy)
	require.Equal(t, doctor.OK, r.Findings[0].Level)
	h = newHost(t)
	h.Standing = func(context.Context) (hostagent.Standing, []string, error) {
		return "", nil, &net.OpError{Err: errors.New("unreachable")}
	}
	require.Equal(t, doctor.Skipped, findings(h.examine(), "enrollment")[0].Level, "a controller that is away revokes nobody")
}

// TestEachWrongClockIsNamed at ±1 day and ±90 s, also where no certificate of the
// controller is valid any more by it.
func TestEachWrongClockIsNamed(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		ahead time.Duration
		want  string
	}{
		"a day ahead":  {24 * time.Hour, "the clock of this host"},
		"a day behind": {-24 * time.Hour, "the clock of this host"},
		"90 s ahead":   {90 * time.Second, "the clock of this host is 1m30s ahead of the controller's"},
		"90 s behind":  {-90 * time.Second, "the clock of this host is 1m30s behind the controller's"},
		"two days":     {48 * time.Hour, "the clock of this host"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t)
			h.Now = func() time.Time { return time.Now().Add(tc.ahead) }
			r := h.examine()
			require.False(t, r.Healthy)
			got := findings(r, "clock")[0]
			require.Equal(t, doctor.Fault, got.Level, "%+v", r.Findings)
			require.Contains(t, got.Found, tc.want)
			require.Contains(t, got.Do, "timedatectl set-ntp true")
			for _, f := range r.Findings {
				require.NotContains(t, f.Found+f.Do, "%!", "a format that lacks something")
				require.NotContains(t, f.Found, "<nil>")
			}
		})
	}
}
