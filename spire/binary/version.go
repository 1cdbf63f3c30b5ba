package binary

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"time"

	"golang.org/x/mod/semver"
)

// Minimum is the oldest SPIRE that we run. Before 1.14.6 one join token used
// twice at the same moment passed twice. Tests run on the release that spire/release
// pins, and one runs the agent of the release before, which is this one: hosts are
// upgraded after their controller.
const Minimum = "1.15.2"

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
// is older than Minimum.
func RequireVersion(ctx context.Context, path string) error {
	v, err := Version(ctx, path)
	if err != nil {
		return err
	}
	if semver.Compare("v"+v, "v"+Minimum) < 0 {
		return fmt.Errorf("%s is SPIRE %s, but %s or newer is needed; run `make spire` for a current one or upgrade it", path, v, Minimum)
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
