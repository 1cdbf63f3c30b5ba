package hosts_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/hosts"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hosttest"
)

// TestSystemdReadsConfFilesAsTheTableSays gives every text of hosttest.EnvFiles to a unit as
// its EnvironmentFile=. That the programs read the same, or refuse the text, is a unit
// test of internal/envfile.
func TestSystemdReadsConfFilesAsTheTableSays(t *testing.T) {
	t.Parallel()
	b := hosts.New(t).Boot("conf")
	b.Write("/etc/systemd/system/case@.service", `[Service]
Type=oneshot
EnvironmentFile=/root/conf/%i
ExecStart=/usr/bin/env -0
StandardOutput=file:/root/conf/%i.env
`)
	b.Run("systemctl", "daemon-reload")
	start := []string{"systemctl", "start"}
	for i, c := range hosttest.EnvFiles() {
		b.Write(fmt.Sprintf("/root/conf/%d", i), c.Text)
		start = append(start, fmt.Sprintf("case@%d.service", i))
	}
	b.Run(start...)
	for i, c := range hosttest.EnvFiles() {
		got := map[string]string{}
		for kv := range strings.SplitSeq(b.Run("cat", fmt.Sprintf("/root/conf/%d.env", i)), "\x00") {
			if key, value, _ := strings.Cut(kv, "="); len(key) == 1 { // the others are systemd's own
				got[key] = value
			}
		}
		require.Equal(t, c.Systemd, got, c.Name)
	}
}
