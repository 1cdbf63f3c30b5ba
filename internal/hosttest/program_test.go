package hosttest_test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/hosttest"
)

// With a plain os.WriteFile some of these programs are "text file busy".
func TestProgramsStartWhileOthersAreWritten(t *testing.T) {
	t.Parallel()
	const goroutines, programs = 16, 25
	dir, errs := t.TempDir(), make(chan error, goroutines)
	for g := range goroutines {
		go func() {
			for n := range programs {
				path := filepath.Join(dir, fmt.Sprint(g, "-", n))
				hosttest.WriteProgram(t, path, "#!/bin/sh\nexit 0\n")
				if err := exec.CommandContext(t.Context(), path).Run(); err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	for range goroutines {
		require.NoError(t, <-errs)
	}
}
