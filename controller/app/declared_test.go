package app_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/app"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/config"
)

// secretFile writes a file of this mode and returns its path.
func secretFile(t *testing.T, name, content string, mode os.FileMode) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o755)) // whatever the umask of who runs this
	path := filepath.Join(dir, name)
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
		"an account":       {"", []string{"self"}, `declared.api_key.scopes: "self" is no permission that a key can have`},
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

// TestADeclaredSecretIsWhereNobodyElseCanReplaceIt: whoever can write a directory can
// put another file in place of one that he cannot write.
func TestADeclaredSecretIsWhereNobodyElseCanReplaceIt(t *testing.T) {
	t.Parallel()
	read := func(path string) error {
		_, err := app.ReadDeclared(config.Declared{Owner: config.DeclaredOwner{Email: "ada@example.com", Name: "Ada", PasswordPath: path}})
		return err
	}
	tree := func(mode os.FileMode) (dir, file string) { // dir/below/password
		dir = t.TempDir()
		file = filepath.Join(dir, "below", "password")
		require.NoError(t, os.Mkdir(filepath.Dir(file), 0o700))
		require.NoError(t, os.WriteFile(file, []byte("correct horse battery\n"), 0o600))
		require.NoError(t, os.Chmod(dir, mode))
		return dir, file
	}
	for _, mode := range []os.FileMode{0o777, 0o775, 0o722, 0o720, 0o702, 0o775 | os.ModeSetgid} {
		dir, file := tree(mode)
		refused := dir + " is a directory that others can write"
		require.ErrorContains(t, read(file), "declared.owner.password_path: "+refused, mode)

		_, link := tree(0o700) // a link to it, one through a link, and one beside it
		require.NoError(t, os.Remove(link))
		require.NoError(t, os.Symlink(file, link))
		require.ErrorContains(t, read(link), refused, mode)
		require.ErrorContains(t, read(filepath.Dir(file)+"/../below/password"), refused, mode)
		_, good := tree(0o755)
		require.NoError(t, os.Symlink(filepath.Dir(good), filepath.Join(dir, "link")))
		require.ErrorContains(t, read(filepath.Join(dir, "link", "password")), refused, "the link can be replaced")
	}
	for _, mode := range []os.FileMode{0o700, 0o500, 0o550, 0o755, 0o777 | os.ModeSticky, 0o777 | os.ModeSticky | os.ModeSetgid} {
		dir, file := tree(mode)
		require.NoError(t, read(file), mode)
		require.NoError(t, os.Chmod(dir, 0o700)) // so that it can be removed
	}

	// The volume of a Kubernetes Secret.
	volume, _ := tree(0o777 | os.ModeSticky)
	data := filepath.Join(volume, "..2026_11_29_02_00_00.123")
	require.NoError(t, os.Mkdir(data, 0o750))
	require.NoError(t, os.WriteFile(filepath.Join(data, "owner-password"), []byte("correct horse battery\n"), 0o400))
	require.NoError(t, os.Symlink(filepath.Base(data), filepath.Join(volume, "..data")))
	require.NoError(t, os.Symlink("..data/owner-password", filepath.Join(volume, "owner-password")))
	require.NoError(t, read(filepath.Join(volume, "owner-password")))
	require.NoError(t, os.Chmod(data, 0o770))
	require.ErrorContains(t, read(filepath.Join(volume, "owner-password")), data+" is a directory that others can write")
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

// TestCheckConfigReadsWhatIsDeclared: it does not call good what serve refuses.
func TestCheckConfigReadsWhatIsDeclared(t *testing.T) {
	t.Parallel()
	good, short := secretFile(t, "good", "correct horse battery\n", 0o600), secretFile(t, "short", "short\n", 0o600)
	key, _ := auth.NewKey()
	keyFile := secretFile(t, "api", key+"\n", 0o600)
	for name, c := range map[string]struct{ owner, key, scopes, want string }{
		"all good":             {good, keyFile, "fleet:read", ""},
		"credentials":          {"$CREDENTIALS_DIRECTORY/owner", "$CREDENTIALS_DIRECTORY/key", "all", ""},
		"a short password":     {short, keyFile, "fleet:read", "short: must have 12 to 128 characters"},
		"a key that is none":   {good, good, "fleet:read", "is no API key"},
		"a file that is gone":  {good + "-none", keyFile, "fleet:read", "good-none does not exist"},
		"a wrong permission":   {good, keyFile, "fleet:red", "declared.api_key.scopes: \"fleet:red\" is no permission that a key can have: choose from fleet:read, "},
		"a file open to group": {secretFile(t, "open", "correct horse battery\n", 0o660), keyFile, "fleet:read", "can be written by others"},
	} {
		code, stdout, stderr := command("check-config", "--data-dir", "/srv/zt", "--declared-owner-email", "ada@example.com",
			"--declared-owner-password-path", c.owner, "--declared-api-key-path", c.key, "--declared-api-key-scopes", c.scopes)
		if c.want == "" {
			require.Zero(t, code, "%s: %s", name, stderr)
			continue
		}
		require.Equal(t, 2, code, name)
		require.Contains(t, stderr, c.want, name)
		require.NotContains(t, stdout, "good", name)
		require.NotContains(t, stderr, key, name)
	}
}
