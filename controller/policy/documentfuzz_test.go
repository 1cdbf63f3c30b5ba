package policy_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/policy"
)

// FuzzPolicyFile: what is read is written so that it is read as the same.
func FuzzPolicyFile(f *testing.F) {
	f.Add(shop)
	f.Add("resources:\n  - {id: a, hosts: [\"*.b\"], ports: [1-2], labels: {a: \"1\"}}\n")
	f.Add("grants:\n  - {id: g, subject: label/a=b, object: resource/x, until: 2030-01-02T03:04:05.000001+02:00, time_zone: UTC, windows: [mon 00:00-24:00]}\n")
	f.Fuzz(func(t *testing.T, text string) {
		d, err := policy.ReadDocument(text)
		if err != nil {
			return
		}
		out, err := d.Text()
		require.NoError(t, err)
		again, err := policy.ReadDocument(out)
		if err != nil {
			require.Greater(t, len(out), policy.MaxDocument, "%v: %s", err, out)
			return
		}
		third, err := again.Text()
		require.NoError(t, err)
		require.Equal(t, out, third)
	})
}
