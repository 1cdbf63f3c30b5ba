package keys_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"filippo.io/age/armor"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/keys"
)

const plainToken = "ztc_u333byr3gwr5sxzhzvvj7x3a32z4jutpducrmja"

// keyPair writes a private key and returns its path and public line.
type keyPair struct{ path, public string }

func write(t testing.TB, name string, raw []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, raw, 0o600))
	return path
}

func sshKey(t testing.TB, private any, passphrase string) keyPair {
	t.Helper()
	var block *pem.Block
	var err error
	if passphrase == "" {
		block, err = ssh.MarshalPrivateKey(private, "")
	} else {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(private, "", []byte(passphrase))
	}
	require.NoError(t, err)
	signer, err := ssh.NewSignerFromKey(private)
	require.NoError(t, err)
	return keyPair{write(t, "key", pem.EncodeToMemory(block)), strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey())))}
}

func ed25519Key(t testing.TB) keyPair {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	return sshKey(t, private, "")
}

func ageKey(t testing.TB) keyPair {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	return keyPair{write(t, "age.txt", []byte("# mine\n"+id.String()+"\n")), id.Recipient().String()}
}

func sealToken(t testing.TB, to string) string {
	t.Helper()
	r, err := keys.ParseRecipient(to)
	require.NoError(t, err)
	sealed, err := keys.SealToken(r, plainToken)
	require.NoError(t, err)
	return sealed
}

func openToken(t testing.TB, sealed string, paths ...string) (string, error) {
	t.Helper()
	id, err := keys.LoadIdentities(paths, false)
	require.NoError(t, err)
	return keys.OpenToken(strings.NewReader(sealed), id)
}

func TestOnlyTheRecipientOpens(t *testing.T) {
	t.Parallel()
	rsaPrivate, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	stranger := ed25519Key(t)
	for name, key := range map[string]keyPair{
		"an SSH host key": ed25519Key(t), "an RSA host key": sshKey(t, rsaPrivate, ""), "an age key": ageKey(t),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sealed := sealToken(t, key.public+" root@box\n"[:map[bool]int{true: 10, false: 0}[strings.HasPrefix(key.public, "ssh-")]])
			require.NotContains(t, sealed, plainToken)
			got, err := openToken(t, "\n"+strings.ReplaceAll(sealed, "\n", "\r\n"), stranger.path, key.path)
			require.NoError(t, err)
			require.Equal(t, plainToken, got)
			_, err = openToken(t, sealed, stranger.path)
			require.ErrorIs(t, err, keys.ErrOtherKey)
		})
	}
}

func TestNamesAKeyAsSSHDoes(t *testing.T) {
	t.Parallel()
	key := ed25519Key(t)
	r, err := keys.ParseRecipient(key.public + " a comment")
	require.NoError(t, err)
	public, _, _, _, err := ssh.ParseAuthorizedKey([]byte(key.public))
	require.NoError(t, err)
	require.Equal(t, ssh.FingerprintSHA256(public), r.Name())
}

func TestRefusesWhatIsNoRecipient(t *testing.T) {
	t.Parallel()
	small := "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQC8A2" // cut
	good := ed25519Key(t).public
	id, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	for name, s := range map[string]string{
		"nothing": "", "a word": "mykey", "a private key": id.String(), "a cut SSH key": small, "a cut age key": "age1qqqq",
		"two keys": good + "\n" + good, "options before it": `command="x" ` + good, "another kind of key": "ecdsa-sha2-nistp256 AAAA",
		"a plugin": "age1yubikey1q2w7u3vpya839jxxuq8g0sedh3d740d4xvn639sqhr95ejj8vu3hyfumptt",
		"a name":   "ssh-ed25519", "a file": "/etc/ssh/ssh_host_ed25519_key.pub", "too much": "ssh-rsa " + strings.Repeat("A", 5000),
		"a wrong type within":  strings.Replace(good, "ssh-ed25519", "ssh-rsa", 1),
		"a point of low order": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := keys.ParseRecipient(s)
			if err == nil {
				_, err = keys.SealToken(r, plainToken)
			}
			require.ErrorIs(t, err, keys.ErrRecipient)
			if len(s) > 12 {
				require.NotContains(t, err.Error(), s)
			}
		})
	}
}

// sealWith seals to anything, for what our own Seal does not make.
func sealWith(t testing.TB, text string, to ...age.Recipient) string {
	t.Helper()
	var out strings.Builder
	a := armor.NewWriter(&out)
	w, err := age.Encrypt(a, to...)
	require.NoError(t, err)
	_, err = w.Write([]byte(text))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	require.NoError(t, a.Close())
	return out.String()
}

func TestRefusesWhatIsNoSealedToken(t *testing.T) {
	t.Parallel()
	key := ageKey(t)
	sealed := sealToken(t, key.public)
	own, err := age.ParseX25519Recipient(key.public)
	require.NoError(t, err)
	many := make([]age.Recipient, 20)
	for i := range many {
		many[i] = own
	}
	password, err := age.NewScryptRecipient("guess")
	require.NoError(t, err)
	password.SetWorkFactor(10)
	lines := strings.Split(sealed, "\n")
	for name, tc := range map[string]struct {
		text string
		want error
	}{
		"nothing":               {"", keys.ErrNotSealed},
		"a plain token":         {plainToken, keys.ErrNotSealed},
		"text before it":        {"hello\n" + sealed, keys.ErrNotSealed},
		"a cut one":             {sealed[:len(sealed)/2], keys.ErrNotSealed},
		"a changed one":         {strings.Replace(sealed, lines[len(lines)-3][:4], "AAAA", 1), keys.ErrNotSealed},
		"a megabyte":            {lines[0] + "\n" + strings.Repeat(lines[1]+"\n", 20000), keys.ErrNotSealed},
		"a long header":         {sealWith(t, plainToken, many...), keys.ErrNotSealed},
		"a long plaintext":      {sealWith(t, strings.Repeat("a", 4000), own), keys.ErrNotSealed},
		"one under a password":  {sealWith(t, plainToken, password), keys.ErrOtherKey},
		"its end with a suffix": {sealed + "x", keys.ErrNotSealed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := openToken(t, tc.text, key.path)
			require.ErrorIs(t, err, tc.want)
		})
	}
}

func TestIdentitiesSayWhatIsWrong(t *testing.T) {
	t.Parallel()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	big := write(t, "big", make([]byte, 100<<10))
	for name, tc := range map[string]struct {
		paths    []string
		optional bool
		want     string
	}{
		"none of the usual ones":   {[]string{"/nonexistent/a", "/nonexistent/b"}, true, "no private key"},
		"one that was named":       {[]string{"/nonexistent/a"}, false, "no such file"},
		"one under a passphrase":   {[]string{sshKey(t, private, "secret").path}, false, "passphrase"},
		"a text":                   {[]string{write(t, "x", []byte("hello"))}, false, "neither an SSH private key"},
		"a broken key":             {[]string{write(t, "x", []byte("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"))}, false, "neither"},
		"a file that is too large": {[]string{big}, false, "larger than"},
		"a directory":              {[]string{t.TempDir()}, false, "is a directory"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := keys.LoadIdentities(tc.paths, tc.optional)
			require.ErrorContains(t, err, tc.want)
		})
	}
}

// FuzzOpenToken: whatever is opened gives an error or what was sealed, and nothing long.
func FuzzOpenToken(f *testing.F) {
	key := ageKey(f)
	f.Add([]byte(sealToken(f, key.public)))
	f.Add([]byte(armor.Header + "\nYWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IFgyNTUxOSA=\n" + armor.Footer))
	id, err := keys.LoadIdentities([]string{key.path}, false)
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, err := keys.OpenToken(strings.NewReader(string(raw)), id)
		if err == nil {
			require.LessOrEqual(t, len(got), 256)
		}
	})
}

// FuzzParseRecipient: what is accepted can be sealed to or is refused as a key.
func FuzzParseRecipient(f *testing.F) {
	f.Add(ed25519Key(f).public)
	f.Add(ageKey(f).public)
	f.Fuzz(func(t *testing.T, s string) {
		r, err := keys.ParseRecipient(s)
		if err != nil {
			require.ErrorIs(t, err, keys.ErrRecipient)
			return
		}
		if _, err := keys.SealToken(r, plainToken); err != nil {
			require.ErrorIs(t, err, keys.ErrRecipient)
		}
		require.LessOrEqual(t, len(r.Name()), 128)
	})
}
