package e2e_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminclient"
)

const declaredPolicy = `resources:
  - {id: shop, hosts: [shop.corp], ports: [443], labels: {app: shop}}
grants:
  - {id: laptop, subject: tunneler/laptop, object: label/app=shop}
policy_tests:
  - {id: laptop, subject: tunneler/laptop, expect: reach, target: "shop.corp:443"}
  - {id: guest, subject: label/team=guest, expect: refuse, target: "shop.corp:443"}
`

// TestTheDeclaredPolicyIsThereFromTheFirstStart: a start applies the file, the next one has
// nothing to do, and one that breaks its own test does not happen and changes nothing.
func TestTheDeclaredPolicyIsThereFromTheFirstStart(t *testing.T) {
	t.Parallel()
	s := prepareWorld(t)
	file := filepath.Join(s.dir, "policy.yaml")
	write := func(text string) { require.NoError(t, os.WriteFile(file, []byte(text), 0o600)) }
	write(declaredPolicy)
	s.With("--declared-policy-path", file)
	declared := func() (out []string) {
		all, err := s.api.AuditEvents(t.Context(), adminclient.AuditFilter{Actor: "declared"}, 100)
		require.NoError(t, err)
		for _, e := range all {
			out = append(out, e.Action+" "+e.Target)
		}
		return out
	}
	s.start()
	made, exported := declared(), s.cli("export")
	require.ElementsMatch(t, []string{
		"resource.create resource/shop", "grant.create grant/laptop", "policy-test.create policy-test/laptop", "policy-test.create policy-test/guest",
	}, made)
	require.Contains(t, exported, "id: shop")
	s.cli("apply", "-f", file, "--plan") // has nothing to do

	code, err := s.Stop()
	require.NoError(t, err)
	require.Zero(t, code)
	write(strings.Replace(declaredPolicy, "tunneler/laptop, object", "label/team=guest, object", 1))
	text := s.fails(1, "grpccontroller", nil, s.serve("--data-dir", s.Dir, "--declared-policy-path", file, "--spire-server-metrics-port", "0", "--spire-agent-metrics-port", "0")...)
	require.Contains(t, text, "declared.policy_path: "+file+": ")
	require.Contains(t, text, "2 policy tests would not hold: guest: label/team=guest must not reach shop.corp:443, and would by the grant laptop")
	require.Contains(t, text, "laptop: tunneler/laptop must reach shop.corp:443, and would be refused")
	require.Contains(t, text, "nothing was changed")
	write("resources:\n  - {id: shop, hosts: ['http://shop.corp'], ports: [443]}\n")
	text = s.fails(1, "grpccontroller", nil, s.serve("--data-dir", s.Dir, "--declared-policy-path", file)...)
	require.Contains(t, text, "declared.policy_path: "+file+": resources[0].hosts[0]: ")

	write(declaredPolicy)
	s.start()
	require.Equal(t, made, declared(), "nothing happened, so nothing is recorded")
	require.Equal(t, exported, s.cli("export"))
}
