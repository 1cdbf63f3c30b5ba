package hostinstall_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestARollbackLeavesTheLockOfTheAccountsAlone: somebody's useradd may wait for it.
func TestARollbackLeavesTheLockOfTheAccountsAlone(t *testing.T) {
	t.Parallel()
	for name, there := range map[string]bool{"that was there": true, "that came meanwhile": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newFakeHost(t)
			if !there {
				require.NoError(t, os.Remove(h.at("/etc/.pwd.lock")))
			}
			var held os.FileInfo
			h.enroll = func([]string, string) int {
				if !there {
					h.write("/etc/.pwd.lock", "")
				}
				var err error
				held, err = os.Stat(h.at("/etc/.pwd.lock"))
				require.NoError(t, err)
				return 3
			}
			out, code := h.run()
			require.Equal(t, 1, code, out)
			require.Contains(t, out, "Everything is as it was.")
			after, err := os.Stat(h.at("/etc/.pwd.lock"))
			require.NoError(t, err, "whoever holds it, and whoever comes next, have different locks")
			require.True(t, os.SameFile(held, after), "it is another file: two programs hold the lock at once")
		})
	}
}

// TestARollbackKeepsABackupOfSomebodyElse: useradd and passwd, by hand, while it runs.
func TestARollbackKeepsABackupOfSomebodyElse(t *testing.T) {
	t.Parallel()
	const other = "other:x:1000:1000::/home/other:/bin/sh\n"
	for name, during := range map[string]string{"while it enrolls": "enroll", "while it makes the user": "systemd-sysusers", "while it removes the user": "userdel"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newFakeHost(t)
			passwd, backup := h.read("/etc/passwd"), h.read("/etc/passwd-")
			h.meanwhile = map[string]func(){during: func() { // as useradd and passwd do it
				h.write("/etc/passwd-", h.read("/etc/passwd"))
				h.write("/etc/passwd", h.read("/etc/passwd")+other)
				h.write("/etc/shadow-", "newer, of somebody else")
			}}
			out, code := h.run()
			require.Equal(t, 1, code, out)
			require.Contains(t, out, "Everything is as it was.")
			require.Equal(t, passwd+other, h.read("/etc/passwd"))
			require.NotEqual(t, backup, h.read("/etc/passwd-"), "a stale backup")
			require.Equal(t, "newer, of somebody else", h.read("/etc/shadow-"))
			require.False(t, h.exists("/etc/group-"), "that of our own tools stays")
		})
	}
}
