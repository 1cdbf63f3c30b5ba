package app_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/app"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/config"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/auth"
)

// secretFile writes a file of this mode and returns its path.
func secretFile(t *testing.T, name, content string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	require.NoError(t, os.Chmod(path, mode))
	return path
}

func TestDeclaredSecretsAreReadFromFiles(t *testing.T) {
	t.Parallel()
	key, _ := auth.NewKey()
	d, err := app.ReadDeclared(config.Declared{
		Owner:  config.DeclaredOwner{Email: "ada@example.com", Name: "Ada", PasswordPath: secretFile(t, "password", " correct horse battery \n", 0o444)},
		APIKey: config.DeclaredKey{Path: secretFile(t, "key", key+"\r\n", 0o400), Name: "ci", Scopes: []string{"fleet:read"}},
	})
	require.NoError(t, err)
	require.Equal(t, " correct horse battery ", d.Owner.Password, "one newline goes, spaces are part of a password")
	require.Equal(t, key, d.Key.Secret)

	none, err := app.ReadDeclared(config.Default().Declared)
	require.NoError(t, err)
	require.Equal(t, auth.Declared{}, none)
}

func TestAWrongDeclaredFileIsNamedWithItsKey(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, c := range map[string]struct{ path, want string }{
		"missing":           {filepath.Join(dir, "none"), "none does not exist"},
		"a directory":       {dir, "is not a file"},
		"a device":          {"/dev/null", "is not a file"},
		"empty":             {secretFile(t, "empty", "", 0o600), "empty is empty"},
		"a newline alone":   {secretFile(t, "newline", "\n", 0o600), "is empty"},
		"two lines":         {secretFile(t, "two", "correct horse\nbattery\n", 0o600), "has more than one line"},
		"large":             {secretFile(t, "large", string(make([]byte, 5<<10)), 0o600), "larger"},
		"writable by all":   {secretFile(t, "open", "correct horse battery\n", 0o666), "can be written by others (mode 0666): chmod go-w"},
		"writable by group": {secretFile(t, "group", "correct horse battery\n", 0o660), "can be written by others"},
		"short":             {secretFile(t, "short", "short\n", 0o600), "short: must have 12 to 128 characters"},
	} {
		_, err := app.ReadDeclared(config.Declared{Owner: config.DeclaredOwner{Email: "ada@example.com", Name: "Ada", PasswordPath: c.path}})
		require.ErrorContains(t, err, "declared.owner.password_path: "+c.path[:1], name)
		require.ErrorContains(t, err, c.want, name)
	}
	for name, c := range map[string]struct {
		content string
		scopes  []string
		want    string
	}{
		"no key":           {"correct horse battery", []string{"fleet:read"}, "key: is no API key"},
		"an unknown scope": {"", []string{"fleet:all"}, `declared.api_key.scopes: "fleet:all" is no permission`},
		"people":           {"", []string{"people:manage"}, `declared.api_key.scopes: "people:manage" is no permission that a key can have`},
	} {
		if c.content == "" {
			c.content, _ = auth.NewKey()
		}
		path := secretFile(t, "key", c.content, 0o600)
		_, err := app.ReadDeclared(config.Declared{APIKey: config.DeclaredKey{Path: path, Name: "ci", Scopes: c.scopes}})
		require.ErrorContains(t, err, c.want, name)
		require.NotContains(t, err.Error(), c.content, name)
	}
}

// TestWhoElseCanReadADeclaredFile: mode 0444 below a directory that is closed is how
// container engines mount secrets.
func TestWhoElseCanReadADeclaredFile(t *testing.T) {
	t.Parallel()
	top, err := os.MkdirTemp("/tmp", "declared-") //nolint:usetesting // directories of the test are closed to others all the way up
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(top) })
	path := filepath.Join(top, "secret")
	require.NoError(t, os.WriteFile(path, []byte("x"), 0o600))
	require.NoError(t, os.Chmod(path, 0o444))
	require.NoError(t, os.Chmod(top, 0o700))
	require.False(t, app.Exposed(path), "the directory is closed")
	require.NoError(t, os.Chmod(top, 0o755))
	require.True(t, app.Exposed(path))
	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(path, link))
	require.True(t, app.Exposed(link), "what a link leads to counts")
	require.NoError(t, os.Chmod(path, 0o440))
	require.False(t, app.Exposed(path))
	require.False(t, app.Exposed(filepath.Join(top, "none")))
}
