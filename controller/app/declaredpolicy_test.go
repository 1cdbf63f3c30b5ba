package app_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/app"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/config"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/policy"
)

const shop = `networks:
  - {id: lab, prefixes: [10.7.0.0/16]}
resources:
  - {id: shop, network_id: lab, hosts: [shop.corp], ports: [443], labels: {app: shop}}
grants:
  - {id: dev, subject: label/team=dev, object: resource/shop}
policy_tests:
  - {id: dev, subject: label/team=dev, expect: reach, target: "shop.corp:443"}
`

// declaring writes a policy file and starts with it.
func declaring(t *testing.T, w *app.Wired, text, prune string) (path string, err error) {
	t.Helper()
	path = secretFile(t, "policy.yaml", text, 0o644)
	return path, w.Declare(t.Context(), config.Declared{PolicyPath: path, PolicyPrune: prune})
}

// ids are those of the policy as it is now.
func ids(t *testing.T, w *app.Wired) (out []string) {
	t.Helper()
	d, err := w.Rules().Export(t.Context())
	require.NoError(t, err)
	for _, n := range d.Networks {
		out = append(out, "network/"+n.ID)
	}
	for _, r := range d.Resources {
		out = append(out, "resource/"+r.ID)
	}
	for _, g := range d.Grants {
		out = append(out, "grant/"+g.ID)
	}
	for _, x := range d.Tests {
		out = append(out, "policy-test/"+x.ID)
	}
	return out
}

func declaredEvents(t *testing.T, w *app.Wired) []string {
	t.Helper()
	all, err := w.AuditOf(t.Context(), auth.DeclaredActor)
	require.NoError(t, err)
	return all
}

func TestADeclaredPolicyIsInForceBeforeAnythingIsServedAndAppliedOnce(t *testing.T) {
	t.Parallel()
	w, _ := wire(t)
	before := w.Policy().Revision
	_, err := declaring(t, w, shop, "")
	require.NoError(t, err)
	require.Greater(t, w.Policy().Revision, before, "what is admitted next is admitted by it")
	require.Equal(t, []string{"network/default", "network/lab", "resource/shop", "grant/dev", "policy-test/dev"}, ids(t, w))
	made := declaredEvents(t, w)
	require.Equal(t, []string{"network.create network/lab", "resource.create resource/shop", "grant.create grant/dev", "policy-test.create policy-test/dev"}, made)

	at := w.Policy().Revision
	_, err = declaring(t, w, shop, "")
	require.NoError(t, err)
	require.Equal(t, at, w.Policy().Revision)
	require.Equal(t, made, declaredEvents(t, w), "nothing happened, so nothing is recorded")

	_, err = w.Rules().EditResource(t.Context(), "shop", policy.ResourceEdit{Ports: []string{"443", "8443"}}, fleet.By{Actor: "person:ann"})
	require.NoError(t, err)
	_, err = declaring(t, w, shop, "")
	require.NoError(t, err)
	require.Equal(t, append(made, "resource.update resource/shop"), declaredEvents(t, w), "the next start makes again what the file says")
}

func TestADeclaredPolicyPrunesOnlyByTheLabelThatIsDeclared(t *testing.T) {
	t.Parallel()
	w, _ := wire(t)
	_, err := declaring(t, w, shop, "")
	require.NoError(t, err)
	renamed := strings.NewReplacer("id: shop", "id: store", "resource/shop", "resource/store", "{id: dev, subject: label/team=dev, object", "{id: developers, subject: label/team=dev, object").Replace(shop)
	_, err = declaring(t, w, renamed, "")
	require.NoError(t, err)
	require.Contains(t, ids(t, w), "resource/shop", "without a label nothing is deleted")
	require.Contains(t, ids(t, w), "grant/dev")
	_, err = declaring(t, w, renamed, "app=shop")
	require.NoError(t, err)
	require.Equal(t, []string{"network/default", "network/lab", "resource/store", "grant/developers", "policy-test/dev"}, ids(t, w))
	require.Subset(t, declaredEvents(t, w), []string{"resource.delete resource/shop", "grant.delete grant/dev"})
	there := ids(t, w)
	for _, nothing := range []string{"", "# cut off\n", "resources: []\n"} {
		_, err = declaring(t, w, nothing, "app=shop")
		require.ErrorContains(t, err, "is empty", "a file that was lost deletes nothing")
		require.Equal(t, there, ids(t, w))
	}
	_, err = declaring(t, w, "", "")
	require.NoError(t, err)
}

// TestADeclaredPolicyThatCannotBeAppliedStopsTheStart, and nothing of it is kept, nor of what
// is declared beside it.
func TestADeclaredPolicyThatCannotBeAppliedStopsTheStart(t *testing.T) {
	t.Parallel()
	w, _ := wire(t)
	_, err := declaring(t, w, shop, "")
	require.NoError(t, err)
	was, made := ids(t, w), declaredEvents(t, w)
	for name, c := range map[string]struct{ text, want string }{
		"its own test fails": {strings.Replace(shop, "target: \"shop.corp:443\"", "target: \"shop.corp:80\"", 1), "a policy test would not hold: dev: label/team=dev must reach shop.corp:80, and would be refused (no_resource)"},
		"a test that is kept fails": {
			"resources:\n  - {id: shop, network_id: lab, hosts: [shop.corp], ports: [80]}\n",
			"dev: label/team=dev must reach shop.corp:443, and would be refused (no_resource); nothing was changed: correct the file, or start without declared.policy_path",
		},
		"a network that is not there": {"resources:\n  - {id: a, network_id: none, hosts: [a.corp], ports: [1]}\n", `resource/a.network_id: there is no network "none"`},
		"an unknown key":              {"resource:\n  - {id: a}\n", "line 1: "},
		"a wrong host":                {"resources:\n  - {id: a, hosts: [\"a b\"], ports: [1]}\n", "resources[0].hosts[0]: "},
	} {
		path := secretFile(t, "policy.yaml", c.text, 0o644)
		err := w.Declare(t.Context(), config.Declared{PolicyPath: path, Owner: config.DeclaredOwner{
			Email: "ada@example.com", Name: "Ada", PasswordPath: secretFile(t, "password", "correct horse battery\n", 0o600),
		}})
		require.ErrorContains(t, err, "declared.policy_path: "+path+": ", name)
		require.ErrorContains(t, err, c.want, name)
		require.Equal(t, was, ids(t, w), name)
		require.Equal(t, made, declaredEvents(t, w), "nor is the owner beside it made: "+name)
	}
}

func TestAPolicyFileIsWhereOnlyItsOwnerWritesIt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, c := range map[string]struct{ path, want string }{
		"missing":         {filepath.Join(dir, "none.yaml"), "none.yaml does not exist"},
		"a directory":     {dir, "is not a file"},
		"writable by all": {secretFile(t, "policy.yaml", shop, 0o666), "can be written by others (mode 0666): chmod go-w"},
		"too large":       {secretFile(t, "policy.yaml", strings.Repeat("# long\n", policy.MaxDocument/7+1), 0o600), "larger"},
	} {
		require.ErrorContains(t, app.CheckDeclaredPolicy(config.Declared{PolicyPath: c.path}), "declared.policy_path: "+c.path, name)
		require.ErrorContains(t, app.CheckDeclaredPolicy(config.Declared{PolicyPath: c.path}), c.want, name)
	}
	require.NoError(t, app.CheckDeclaredPolicy(config.Declared{}))
}

func TestCheckConfigReadsTheDeclaredPolicy(t *testing.T) {
	t.Parallel()
	good, bad := secretFile(t, "policy.yaml", shop, 0o644), secretFile(t, "policy.yaml", "resources:\n  - {id: A, hosts: [a], ports: [0]}\n", 0o644)
	code, stdout, stderr := command("check-config", "--declared-policy-path", good, "--declared-policy-prune", "app=shop")
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, "declared        the policy "+good+", pruned by app=shop\n")
	code, _, stderr = command("check-config", "--declared-policy-path", bad)
	require.Equal(t, 2, code)
	require.Contains(t, stderr, "declared.policy_path: "+bad+": resources[0].id: ")
	require.Contains(t, stderr, "resources[0].ports[0]: ")
	code, _, stderr = command("check-config", "--declared-policy-path", "/nonexistent/policy.yaml")
	require.Equal(t, 2, code)
	require.Contains(t, stderr, "declared.policy_path: /nonexistent/policy.yaml does not exist")
	if os.Geteuid() == 0 {
		return // root may read everything
	}
	closed := secretFile(t, "policy.yaml", shop, 0)
	code, _, stderr = command("check-config", "--declared-policy-path", closed)
	require.Zero(t, code, stderr)
}
