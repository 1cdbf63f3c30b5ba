package auth_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth/authtest"
)

// TestEveryRefusedSignInHasALineInTheLog: the audit log counts equal refusals and does
// not list them, so that the program's log is where each one is seen. What was typed
// may be a password, and is not in it.
func TestEveryRefusedSignInHasALineInTheLog(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zap.WarnLevel)
	e := authtest.New(t, nil)
	e.Config.Log = zap.New(core)
	e.Again(t)
	id := e.Add(t, ada, auth.Admin).Person.ID
	for range 3 {
		_, err := signIn(e, ada, "not the password", "")
		require.ErrorIs(t, err, auth.ErrRefused)
	}
	_, err := signIn(e, "eve@example.com", "not the password", "")
	require.ErrorIs(t, err, auth.ErrRefused)

	lines := logs.FilterMessage("sign-in refused").All()
	require.Len(t, lines, 4)
	for i, line := range lines {
		require.Equal(t, zap.WarnLevel, line.Level)
		fields := line.ContextMap()
		require.Equal(t, "192.0.2.1", fields["caller_addr"])
		require.Equal(t, "r1", fields["request_id"])
		require.NotContains(t, fields, "email")
		if i < 3 {
			require.Equal(t, "wrong password", fields["reason"])
			require.Equal(t, id, fields["person_id"])
			continue
		}
		require.Equal(t, "unknown person", fields["reason"])
		require.Empty(t, fields["person_id"])
	}
}
