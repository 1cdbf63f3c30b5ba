package proc

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"time"

	"golang.org/x/mod/semver"
)

// The oldest SPIRE that we run.
const (
	// MinimumServer: before 1.15.3 the entry cache that follows events, which
	// spire/conf turns on, could miss an entry.
	MinimumServer = "1.15.3"
	// MinimumAgent is the release before: hosts are upgraded after their controller,
	// and a test runs that agent beside our server.
	MinimumAgent = "1.15.2"
)

var versionPattern = regexp.MustCompile(`(?m)^v?(\d{1,5}\.\d{1,5}\.\d{1,5})(?:[-+][0-9A-Za-z.+-]*)?\s*$`)

// Version asks the program at path for its version and returns it as
// "major.minor.patch". A suffix is dropped: SPIRE built by `go install` calls
// itself "1.15.2-dev-unk" and is 1.15.2.
func Version(ctx context.Context, path string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "--version")
	cmd.Env = []string{} // a version needs none of our secrets
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput() // spire-server writes it to stderr
	if err != nil {
		return "", fmt.Errorf("ask %s for its version: %w", path, err)
	}
	m := versionPattern.FindSubmatch(out)
	if m == nil {
		return "", fmt.Errorf("ask %s for its version: no version in %q", path, clip(string(out)))
	}
	return string(m[1]), nil
}

// RequireVersion returns an error that says what to do when the program at path
// is older than minimum, which is MinimumServer or MinimumAgent.
func RequireVersion(ctx context.Context, path, minimum string) error {
	v, err := Version(ctx, path)
	if err != nil {
		return err
	}
	if semver.Compare("v"+v, "v"+minimum) < 0 {
		return fmt.Errorf("%s is SPIRE %s, but %s or newer is needed; run `make spire` for a current one or upgrade it", path, v, minimum)
	}
	return nil
}

func clip(s string) string {
	const most = 80
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
