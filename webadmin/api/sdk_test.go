package api_test

import (
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api/apitest"
)

// TestAProgramThatKnowsTheDocumentAlone drives the real domain and store by a client that
// was generated from openapi.json (internal/e2e/sdk): it creates, reads, changes and
// deletes every kind of object.
func TestAProgramThatKnowsTheDocumentAlone(t *testing.T) {
	t.Parallel()
	const program = "../../bin/sdk"
	if _, err := os.Stat(program); err != nil {
		t.Skip("make bin/sdk; make test-unit does it")
	}
	local, socket := apitest.Socket(t)
	r := newReal(t, t.TempDir(), 2, local)
	r.Run(t)
	out, err := exec.CommandContext(t.Context(), program, socket, r.URL).CombinedOutput()
	require.NoError(t, err, string(out))
}
