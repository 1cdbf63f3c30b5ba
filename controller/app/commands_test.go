package app_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/app"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminclient/admincmd"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
)

func command(args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = cli.Execute(app.Root(), cli.Process{Args: args, Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs})
	return code, out.String(), errs.String()
}

// TestEveryCommandKnowsTheVariablesOfTheOthers: docs say to export them, and in an
// emergency the next command is one that reads the configuration.
func TestEveryCommandKnowsTheVariablesOfTheOthers(t *testing.T) {
	for _, name := range admincmd.Variables() {
		t.Setenv(name, "/somewhere")
	}
	dir := evidence(t)
	for _, args := range [][]string{
		{"check-config", "--data-dir", dir},
		{"bootstrap-ca", "--data-dir", t.TempDir()},
		{"key", "create", "--name", "k", "--scope", "all", "--data-dir", dir},
		{"admin", "reset-owner", "--yes", "--data-dir", dir},
		{"audit", "verify", "--data-dir", dir},
	} {
		code, _, stderr := command(args...)
		require.Zero(t, code, "%v: %s", args, stderr)
	}
}

func TestADataDirectoryMayBeNamedFromHere(t *testing.T) {
	dir := evidence(t)
	t.Chdir(filepath.Dir(dir))
	code, stdout, stderr := command("check-config", "--data-dir", "./"+filepath.Base(dir))
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, "data directory  "+dir+"\n")
	code, _, stderr = command("key", "create", "--name", "k", "--scope", "all", "--data-dir", "./"+filepath.Base(dir))
	require.Zero(t, code, stderr)
	t.Setenv("GRPCCONTROLLER_DATA_DIR", "./"+filepath.Base(dir))
	code, _, stderr = command("check-config")
	require.Equal(t, 2, code)
	require.Contains(t, stderr, "data_dir: must be an absolute path")
}

func TestAGeneratedKeyReplacesNoFile(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "key")
	code, _, stderr := command("key", "generate", "--out", out)
	require.Zero(t, code, stderr)
	first, err := os.ReadFile(out)
	require.NoError(t, err)
	code, _, stderr = command("key", "generate", "--out", out)
	require.Equal(t, 1, code)
	require.Contains(t, stderr, out+" exists already, and may hold another key")
	now, err := os.ReadFile(out)
	require.NoError(t, err)
	require.Equal(t, string(first), string(now), "the declared key in use")
}

func TestAKeyReplacesNoFile(t *testing.T) {
	t.Parallel()
	dir := evidence(t)
	out := filepath.Join(t.TempDir(), "key")
	create := []string{"key", "create", "--name", "k", "--scope", "all", "--data-dir", dir, "--out", out}
	code, stdout, stderr := command(create...)
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, out)
	before, err := os.ReadFile(out)
	require.NoError(t, err)
	code, stdout, stderr = command(create...)
	require.Equal(t, 1, code)
	require.Empty(t, stdout)
	require.Contains(t, stderr, out+" exists already")
	after, err := os.ReadFile(out)
	require.NoError(t, err)
	require.Equal(t, before, after)
}

// TestAKeyWithAWrongScopeIsWrongUsage: and the right ones are named.
func TestAKeyWithAWrongScopeIsWrongUsage(t *testing.T) {
	t.Parallel()
	dir := evidence(t)
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"a word that is none":     {[]string{"--name", "k", "--scope", "fleet:rewrite"}, `--scope: "fleet:rewrite" is no permission that a key can have: choose from fleet:read, fleet:write, tokens:write, `},
		"one of people alone":     {[]string{"--name", "k", "--scope", "fleet:read,self"}, `--scope: "self" is no permission`},
		"one twice":               {[]string{"--name", "k", "--scope", "all,fleet:read"}, `--scope: "fleet:read" is given twice`},
		"an empty one":            {[]string{"--name", "k", "--scope", ""}, "--scope: must name at least one of fleet:read, "},
		"no scope and no name":    {nil, "--name and --scope are missing"},
		"a life that is too long": {[]string{"--name", "k", "--scope", "all", "--ttl", "9000h"}, "--ttl: must be "},
		"a name of spaces":        {[]string{"--name", " ", "--scope", "all"}, "--name: begins or ends with a space"},
	} {
		code, stdout, stderr := command(append([]string{"key", "create", "--data-dir", dir}, c.args...)...)
		require.Equal(t, 2, code, "%s: %s", name, stderr)
		require.Contains(t, stderr, c.want, name)
		require.Empty(t, stdout, name)
	}
	code, stdout, _ := command("__complete", "key", "create", "--scope", "fleet:read,")
	require.Zero(t, code)
	require.Contains(t, stdout, "fleet:read,tokens:write\n")
	require.NotContains(t, stdout, "fleet:read,fleet:read")
	require.NotContains(t, stdout, "self")
}

// TestAKeyAsJSON: the secret is in the reply or in the file, and not in both.
func TestAKeyAsJSON(t *testing.T) {
	t.Parallel()
	dir := evidence(t)
	create := []string{"key", "create", "--name", "k", "--scope", "fleet:read", "--data-dir", dir, "-o", "json"}
	var made struct {
		Key          adminapi.Key
		Secret, File string
	}
	code, stdout, stderr := command(create...)
	require.Zero(t, code, stderr)
	require.NoError(t, json.Unmarshal([]byte(stdout), &made))
	require.Regexp(t, `^zta_\w+$`, made.Secret)
	require.Equal(t, []string{"fleet:read"}, made.Key.Scopes)
	require.Equal(t, "active", made.Key.Status)
	require.NotContains(t, stdout, `"file"`)

	out := filepath.Join(t.TempDir(), "key")
	code, stdout, stderr = command(append(create, "--out", out)...)
	require.Zero(t, code, stderr)
	require.NotContains(t, stdout, "zta_")
	require.NoError(t, json.Unmarshal([]byte(stdout), &made))
	require.Equal(t, out, made.File)
	text, err := os.ReadFile(out)
	require.NoError(t, err)
	require.Regexp(t, `^zta_\w+\n$`, string(text))
}

// TestCheckConfigLooksAtTheFilesThatServeNeeds: what ends serve is a fault here.
func TestCheckConfigLooksAtTheFilesThatServeNeeds(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	empty, short := file("empty.pem", "no certificate"), file("short", "secret")
	oidc := "admin:\n  public_url: https://ctl.example.com\n  oidc: {issuer: 'https://idp.example.com', client_id: a, client_secret_path: /nonexistent/secret, roles: {owner: [a]}}\n"
	for name, c := range map[string]struct{ text, want string }{
		"a directory too deep for sockets": {"data_dir: /srv/" + strings.Repeat("long", 30) + "\n", "data_dir: "},
		"a CA that is missing":             {"ca_bundle_paths: [/nonexistent/ca.crt]\n", "ca_bundle_paths: "},
		"a CA that is none":                {"ca_bundle_paths: [" + empty + "]\n", "ca_bundle_paths: "},
		"a certificate that is missing":    {"admin: {tls_cert: /nonexistent/tls.crt, tls_key: /nonexistent/tls.key}\n", "admin.tls_cert: "},
		"a client secret that is missing":  {oidc, "admin.oidc.client_secret_path: "},
		"a webhook secret that is short":   {"audit: {export: {webhook: {url: 'https://log.example.com', secret_path: " + short + "}}}\n", "audit.export.webhook.secret_path: "},
		"a collector's CA that is missing": {"tracing: {endpoint: 'c:4317', ca_path: /nonexistent/ca.crt}\n", "tracing.ca_path: "},
	} {
		code, stdout, stderr := command("check-config", "--config", file("c.yaml", c.text))
		require.Equal(t, 2, code, name)
		require.Empty(t, stdout, name)
		require.Contains(t, stderr, "config: "+c.want, name)
		require.Equal(t, 1, strings.Count(stderr, c.want), stderr)
	}
}
