package hostinstall

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// programs are those of this machine.
type programs struct{ stdout, stderr io.Writer }

// Find implements Commands.
func (programs) Find(name string) bool {
	_, err := exec.LookPath(name)
	return err == nil
}

// Run implements Commands. A program gets no variable but these two, so that neither
// the token nor anything else of the caller reaches it.
func (p programs) Run(ctx context.Context, c Call) (string, error) {
	cmd := exec.CommandContext(ctx, c.Name, c.Args...) //nolint:gosec // a program of this package's choice
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C"}
	cmd.Stdin = strings.NewReader(c.Stdin)
	cmd.Cancel = func() error { return cmd.Process.Signal(unix.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	var out, faults bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &faults
	if c.Aloud {
		cmd.Stdout, cmd.Stderr = p.stdout, p.stderr
	}
	if err := cmd.Start(); err != nil {
		return "", fmt.Errorf("%w: %w", ErrNotStarted, err)
	}
	err := cmd.Wait()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		err = &CommandError{Call: c, Code: exit.ExitCode(), Text: strings.TrimSpace(faults.String())}
	}
	return out.String(), err
}

// kernel is that of this machine.
type kernel struct{}

// Root implements System.
func (kernel) Root() bool { return os.Geteuid() == 0 }

// Space implements System.
func (kernel) Space(dir string) (free, device uint64, err error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return 0, 0, err
	}
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return 0, 0, err
	}
	return fs.Bavail * uint64(fs.Bsize), st.Dev, nil //nolint:gosec // a size is never negative
}

// Writable implements System. The kernel answers for root as well: a read-only file
// system and an immutable directory refuse him too.
func (kernel) Writable(dir string) error { return unix.Access(dir, unix.W_OK) }

// Listen implements System.
func (kernel) Listen(ctx context.Context, addr string) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		if e := (*net.OpError)(nil); errors.As(err, &e) {
			return e.Err
		}
		return err
	}
	return l.Close()
}

// readyTimeout bounds one question for readiness.
const readyTimeout = 3 * time.Second

// Ready implements System.
func (kernel) Ready(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/readyz", http.NoBody)
	if err != nil {
		return err
	}
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return errors.New("it does not answer yet")
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 16<<10))
	for line := range strings.Lines(string(text)) {
		if why, ok := strings.CutPrefix(line, "[-] "); ok {
			return errors.New(strings.TrimSpace(why))
		}
	}
	return fmt.Errorf("it answers %s", resp.Status)
}
