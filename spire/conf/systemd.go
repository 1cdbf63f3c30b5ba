package conf

import "os"

// SystemdRuns says whether systemd is the init system here, by the check that
// sd_booted(3) documents.
func SystemdRuns() bool {
	info, err := os.Lstat("/run/systemd/system")
	return err == nil && info.IsDir()
}
