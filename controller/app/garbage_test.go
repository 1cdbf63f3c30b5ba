package app_test

import (
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/app"
)

// TestAControllerHoldsHalfAsMuchGarbage: unless its operator says how much.
func TestAControllerHoldsHalfAsMuchGarbage(t *testing.T) {
	before := debug.SetGCPercent(100)
	defer debug.SetGCPercent(before)
	t.Setenv("GOGC", "")
	app.CollectEarly()
	require.Equal(t, 50, debug.SetGCPercent(80))
	t.Setenv("GOGC", "80")
	app.CollectEarly()
	require.Equal(t, 80, debug.SetGCPercent(80))
}
