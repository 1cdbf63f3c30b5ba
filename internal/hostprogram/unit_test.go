package hostprogram

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// White-box: which unit a test itself runs in is not up to it.
func TestUnitOf(t *testing.T) {
	t.Parallel()
	for cgroup, want := range map[string]string{
		"0::/system.slice/grpcconnector.service\n":                             "grpcconnector.service",
		"0::/system.slice/grpcconnector.service/below\n":                       "grpcconnector.service",
		"0::/user.slice/user-1000.slice/user@1000.service/app.slice/a.scope\n": "user@1000.service",
		"0::/user.slice/user-0.slice/session-3.scope\n":                        "",
		"0::/\n":  "",
		"0::../x": "",
		"12:cpu:/system.slice/x.service\n1:name=systemd:/a.service\n": "",
		"": "",
	} {
		require.Equal(t, want, unitOf(cgroup), "%q", cgroup)
	}
}
