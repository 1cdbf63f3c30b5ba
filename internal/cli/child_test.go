package cli_test

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	testTimeout = 10 * time.Second
	testTick    = 5 * time.Millisecond
)

type childProcess struct {
	*exec.Cmd
	lines *bufio.Scanner
}

// startChild runs TestSignals in a child and returns once its command runs.
func startChild(t *testing.T, mode string) childProcess {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestSignals$")
	cmd.Env = append(os.Environ(), inChild+"="+mode)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	c := childProcess{Cmd: cmd, lines: bufio.NewScanner(out)}
	c.expect(t, "ready")
	return c
}

// expect reads lines until one equals want.
func (c childProcess) expect(t *testing.T, want string) {
	t.Helper()
	for c.lines.Scan() {
		if c.lines.Text() == want {
			return
		}
	}
	require.FailNow(t, "the child ended without saying", want)
}

// isGone reports whether a child is dead, waited for or not.
func isGone(p *os.Process) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.Pid))
	return err != nil || bytes.Contains(stat, []byte(") Z "))
}
