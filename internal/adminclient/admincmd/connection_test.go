package admincmd_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminclient/admincmd"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/controltest"
)

// TestTheSocketComesBeforeALogin: root needs nothing on the controller's host, not even
// that a login of long ago, at a controller elsewhere, is forgotten.
func TestTheSocketComesBeforeALogin(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", dir)
	_, socket := controltest.ListenAdmin(t)
	at, err := admincmd.Unnamed("", fs.ErrNotExist)
	require.ErrorContains(t, err, "no controller runs on this host", at)
	at, err = admincmd.Unnamed(socket+"x", nil)
	require.NoError(t, err, "calling it says that it is closed")
	require.Equal(t, socket+"x", at)

	logins := filepath.Join(dir, "grpccontroller", "logins")
	require.NoError(t, os.MkdirAll(logins, 0o700))
	const origin = "https://controller.example.com"
	require.NoError(t, os.WriteFile(filepath.Join(logins, "last"), []byte(origin+"\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(logins, "https%3A%2F%2Fcontroller.example.com.json"),
		[]byte(`{"url":"`+origin+`","token":"`+loginToken+`","expires_at":"2020-01-01T00:00:00Z"}`), 0o600))
	at, err = admincmd.Unnamed(socket, nil)
	require.NoError(t, err)
	require.Equal(t, socket, at)
	_, err = admincmd.Unnamed(socket+"x", nil)
	require.ErrorContains(t, err, "has expired", "whom the socket does not let in")
	_, err = admincmd.Unnamed("", fs.ErrNotExist)
	require.ErrorContains(t, err, "has expired")
}

// TestAnotherUsersHomeHoldsNoLogin: su and sudo -u may leave $HOME as it was.
func TestAnotherUsersHomeHoldsNoLogin(t *testing.T) {
	controltest.NeedRoot(t)
	home := filepath.Join(t.TempDir(), "root")
	require.NoError(t, os.MkdirAll(filepath.Join(home, "grpccontroller", "logins"), 0o700))
	t.Setenv("XDG_CONFIG_HOME", home)
	_, socket := controltest.ListenAdmin(t)
	controltest.AsUser(t, 65534, func() error {
		at, err := admincmd.Unnamed(socket+"x", nil) // which lets this user in no more than root's does
		if err == nil && at != socket+"x" {
			return errors.New("goes to " + at)
		}
		return err
	})
}
